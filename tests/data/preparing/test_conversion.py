from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from care_bench.data import Raw
from care_bench.data.preparing import conversion
from care_bench.data.preparing.shards import Shards
from care_bench.data.source import Array
from care_bench.errors import CareBenchError
from tests.data.killing import python

Given = tuple[Array, Any]


def read(number: int) -> Given:
    """Return number % 3 rows; 5 and 9 cannot be read, and the first four are slow."""
    time.sleep(0.1 if number < 4 else 0)
    if number == 5:
        raise ValueError("five\nis odd")
    if number == 9:
        raise KeyError
    return np.full(number % 3, number), None


def crash(number: int) -> Given:
    os._exit(3) if number == 2 else None
    return np.full(1, number), None


def starve(number: int) -> Given:
    raise MemoryError


def read_now(number: int) -> Given:
    """Return number % 3 rows; every number can be read."""
    return np.full(number % 3, 100 * number), None


def read_nothing(number: int) -> Given:
    raise ValueError("n")


def starve_others(number: int) -> Given:
    return read(number) if number in (5, 9) else starve(number)


def convert(folder: Path, skip_broken: bool, function: Callable[[int], Given] = read) -> tuple[list[int], list[int]]:
    """Return the rows of the numbers 0 to 11 in order, and the numbers that cannot be read."""
    shards = Shards(folder / "shards", "m", [str(n) for n in range(12)], "<i8", ())
    raw = Raw(folder, folder, skip_broken)
    conversion.convert(range(12), shards.todo, function, shards.write, "numbers", raw)
    rows = [found.rows for found in shards.finished if found]
    arrays = [np.load(piece.path)[piece.start : piece.start + piece.count] for piece in rows]
    return np.concatenate(arrays).tolist(), shards.todo


ROWS = [1, 2, 2, 4, 7, 8, 8, 10, 11, 11]


@pytest.mark.parametrize(("workers", "task"), [(1, 1), (2, 1), (3, 4), (2, 50)])
def test_rows_are_in_the_order_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, task: int
) -> None:
    monkeypatch.setattr(conversion, "worker_count", lambda: workers)
    monkeypatch.setattr(conversion, "TASK", task)
    before = set(multiprocessing.active_children())
    assert convert(tmp_path, skip_broken=True) == (ROWS, [5, 9])
    assert set(multiprocessing.active_children()) == before


def test_all_unreadable_files_are_named_and_the_others_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "TASK", 4)
    for _ in range(2):
        with pytest.raises(CareBenchError) as error:
            convert(tmp_path, skip_broken=False)
        assert str(error.value) == (
            "2 of 12 files cannot be read: 5 (five is odd), 9 (KeyError); replace them and start again (only they "
            "are read again), or leave them out with --skip-broken"
        )
        assert (tmp_path / "broken.txt").read_text() == "5 (five is odd)\n9 (KeyError)\n"
    assert convert(tmp_path, skip_broken=True, function=starve_others) == (ROWS, [5, 9])
    with pytest.raises(CareBenchError, match=r"^2 of 12 files cannot be read: "):  # skipped files are still reported
        convert(tmp_path, skip_broken=False)
    assert convert(tmp_path, skip_broken=False, function=read_now) == ([*ROWS[:4], 500, 500, *ROWS[4:]], [])


def test_the_message_names_some_of_many_files_and_where_all_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "worker_count", lambda: 1)
    with pytest.raises(CareBenchError, match=r"^12 of 12 files cannot be read: 0 \(n\), ") as error:
        convert(tmp_path, skip_broken=False, function=read_nothing)
    listed = tmp_path / "broken.txt"
    assert f" 3 (n), 4 (n) and 7 more (all are listed in {listed}); replace" in str(error.value)
    assert listed.read_text().splitlines() == [f"{number} (n)" for number in range(12)]


def test_a_worker_that_dies_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "TASK", 1)
    monkeypatch.setattr(conversion, "worker_count", lambda: 1)
    with pytest.raises(CareBenchError, match=r"a worker process died at or soon after \d+: .*start again to continue$"):
        convert(tmp_path, skip_broken=True, function=crash)


def test_a_file_is_not_broken_if_memory_runs_out(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match="a worker process died at or soon after 0: it ran out of memory"):
        convert(tmp_path, skip_broken=True, function=starve)


def test_at_most_two_tasks_per_worker_wait_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two workers, at most four tasks are handed out whose rows are not written yet."""
    monkeypatch.setattr(conversion, "TASK", 1)
    monkeypatch.setattr(conversion, "worker_count", lambda: 2)
    handed_out: list[int] = []
    kept: list[int] = []
    ahead: list[int] = []

    class Pool(conversion.ProcessPoolExecutor):
        def submit(self, *arguments: Any) -> Any:  # type: ignore[override]
            handed_out.append(arguments[1][0])
            return super().submit(*arguments)

    def keep(found: dict[int, Given]) -> None:
        ahead.append(len(handed_out) - len(kept))
        kept.extend(found or [-1])

    monkeypatch.setattr(conversion, "ProcessPoolExecutor", Pool)
    conversion.convert(range(12), range(12), read, keep, "numbers", Raw(tmp_path, tmp_path, skip_broken=True))
    assert handed_out == list(range(12))
    assert kept == [-1 if number in (5, 9) else number for number in range(12)]
    assert max(ahead) == 4


def test_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(100)))
    assert conversion.worker_count() == 16
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 5})
    assert conversion.worker_count() == 2


UNGUARDED = """
import sys
from pathlib import Path
from care_bench.data import Raw
from care_bench.data.preparing import conversion
{reader}
conversion.worker_count = lambda: 2
conversion.TASK = 1
kept = {{}}
conversion.convert(range(4), range(4), read_now, kept.update, "numbers", Raw(Path(sys.argv[1]), Path(sys.argv[1])))
print(len(kept))
"""


def test_a_reader_in_a_script_without_a_main_guard_is_named(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED.format(reader="def read_now(number): return number"))
    ran = python(script, tmp_path)
    assert ran.returncode == 1
    # Not always the last line: Python's resource tracker may warn of what the killed workers have left.
    assert any("or the script with the reader does not guard its work" in line for line in ran.stderr.splitlines())


def test_a_decoder_that_runs_out_of_memory_does_not_make_a_file_broken(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match="a worker process died at or soon after 0: it ran out of memory"):
        convert(tmp_path, skip_broken=True, function=starve_in_words)


def starve_in_words(number: int) -> Given:
    raise ValueError("realloc failed")
