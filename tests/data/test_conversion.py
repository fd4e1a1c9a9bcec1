from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from care_bench.data import conversion
from care_bench.data.rows import open_rows
from care_bench.data.source import Array
from care_bench.errors import CareBenchError


def read(number: int) -> dict[str, Array]:
    """As many rows as the number has, but 5 and 9 cannot be read; early ones are slow."""
    time.sleep(0.1 if number < 4 else 0)
    if number == 5:
        raise ValueError("five\nis odd")
    if number == 9:
        raise KeyError
    return {"values": np.full(number % 3, number)} | ({"sevens": np.ones(1)} if number == 7 else {})


def crash(number: int) -> dict[str, Array]:
    os._exit(3) if number == 2 else None
    return {"values": np.full(1, number)}


def starve(number: int) -> dict[str, Array]:
    raise MemoryError


def read_now(number: int) -> dict[str, Array]:
    """Everything can be read."""
    return {"values": np.full(number % 3, 100 * number)}


def read_nothing(number: int) -> dict[str, Array]:
    raise ValueError("n")


def starve_others(number: int) -> dict[str, Array]:
    return read(number) if number in (5, 9) else starve(number)


def convert(folder: Path, skip_broken: bool, function: Any = read) -> tuple[list[int], list[float], list[int]]:
    with open_rows(folder, "m", [str(n) for n in range(12)], {"values": ("<i8", ()), "sevens": ("<f8", ())}) as rows:
        conversion.convert(rows, range(12), function, "numbers", skip_broken)
        columns = rows.finish()
        return columns["values"].tolist(), columns["sevens"].tolist(), rows.broken


@pytest.mark.parametrize(("workers", "task"), [(1, 1), (2, 1), (3, 4), (2, 50)])
def test_rows_are_in_order_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, task: int
) -> None:
    monkeypatch.setattr(conversion, "worker_count", lambda: workers)
    monkeypatch.setattr(conversion, "TASK", task)
    values, sevens, broken = convert(tmp_path, skip_broken=True)
    assert values == [1, 2, 2, 4, 7, 8, 8, 10, 11, 11]
    assert sevens == [1]
    assert broken == [5, 9]
    assert not multiprocessing.active_children()


def test_all_unreadable_files_are_named_and_the_others_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "TASK", 4)
    for _ in range(2):
        with pytest.raises(CareBenchError) as error:
            convert(tmp_path, skip_broken=False)
        assert str(error.value) == (
            "2 of 12 files cannot be read: 5 (five is odd), 9 (KeyError); replace them and start again, which reads "
            "only them, or leave them out with --skip-broken"
        )
        assert (tmp_path / "broken.txt").read_text() == "5 (five is odd)\n9 (KeyError)\n"
    assert convert(tmp_path, skip_broken=True, function=starve_others) == (
        [1, 2, 2, 4, 7, 8, 8, 10, 11, 11],
        [1],
        [5, 9],
    )
    with pytest.raises(CareBenchError, match=r"^2 of 12 files cannot be read: "):  # what was left out is not forgotten
        convert(tmp_path, skip_broken=False)
    values, sevens, broken = convert(tmp_path, skip_broken=False, function=read_now)
    assert values == [1, 2, 2, 4, 7, 8, 8, 10, 11, 11, 500, 500]
    assert (sevens, broken) == ([1], [])


def test_line_shows_some_of_many_files_and_where_all_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "worker_count", lambda: 1)
    with pytest.raises(CareBenchError, match=r"^12 of 12 files cannot be read: 0 \(n\), ") as error:
        convert(tmp_path, skip_broken=False, function=read_nothing)
    listed = tmp_path / "broken.txt"
    assert f" 3 (n), 4 (n) and 7 more, all of them listed in {listed}; replace" in str(error.value)
    assert listed.read_text().splitlines() == [f"{number} (n)" for number in range(12)]


def test_reason_without_words_is_the_kind_of_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "TASK", 2)
    with (
        open_rows(tmp_path, "m", ["9"], {"values": ("<i8", ())}) as rows,
        pytest.raises(CareBenchError, match=r"1 of 1 files cannot be read: 9 \(KeyError\); "),
    ):
        conversion.convert(rows, [9], read, "numbers", False)


def test_worker_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "TASK", 1)
    monkeypatch.setattr(conversion, "worker_count", lambda: 1)
    with pytest.raises(CareBenchError, match=r"a worker process died on or soon after \d+, .*start again to continue$"):
        convert(tmp_path, skip_broken=True, function=crash)


def test_memory_that_runs_out_does_not_make_a_file_broken(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match="a worker process died on or soon after 0, for want of memory"):
        convert(tmp_path, skip_broken=True, function=starve)


def test_few_results_wait_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files there are, no more than two tasks per worker are handed out ahead of the disk."""
    monkeypatch.setattr(conversion, "TASK", 1)
    monkeypatch.setattr(conversion, "worker_count", lambda: 2)
    handed_out: list[int] = []

    class Pool(conversion.ProcessPoolExecutor):
        def submit(self, *arguments: Any) -> Any:  # type: ignore[override]
            handed_out.append(arguments[1][0])
            return super().submit(*arguments)

    monkeypatch.setattr(conversion, "ProcessPoolExecutor", Pool)
    with open_rows(tmp_path, "m", [str(n) for n in range(12)], {"values": ("<i8", ()), "sevens": ("<f8", ())}) as rows:
        append, ahead = rows.append, []

        def watch(*arguments: Any) -> None:
            ahead.append(len(handed_out) - rows.consumed)
            append(*arguments)

        monkeypatch.setattr(rows, "append", watch)
        conversion.convert(rows, range(12), read, "numbers", True)
    assert handed_out == list(range(12))
    assert max(ahead) == 4


def test_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(100)))
    assert conversion.worker_count() == 16
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 5})
    assert conversion.worker_count() == 2
