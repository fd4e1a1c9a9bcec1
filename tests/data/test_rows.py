from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from care_bench.data.rows import JOURNAL, Rows, open_rows
from care_bench.errors import CareBenchError

ROOT = Path(__file__).parents[2]

COLUMNS = {"pairs": (np.float32, (2,)), "marks": (np.uint8, ())}
INPUTS = [f"file{i} 10" for i in range(10)]
PAIRS = np.arange(40, dtype=np.float32).reshape(20, 2)
MARKS = np.arange(20, dtype=np.uint8)


def work(rows: Rows, until: int) -> None:
    """Consume inputs up to one: each gives two pairs and two marks, but the fourth, which is broken."""
    for i in range(rows.consumed, until):
        if i == 3:
            rows.append({}, [], [3])
        else:
            rows.append(rows_of(i), [i])


def rows_of(*inputs: int) -> dict[str, np.ndarray]:
    places = [place for i in inputs for place in (2 * i, 2 * i + 1)]
    return {"pairs": PAIRS[places], "marks": MARKS[places]}


def finished(folder: Path, inputs: list[str] = INPUTS, maker: str = "m1") -> dict[str, bytes]:
    with open_rows(folder, maker, inputs, COLUMNS) as rows:
        work(rows, len(inputs))
        assert rows.broken == [3]
        rows.finish()
    return {name: (folder / f"{name}.npy").read_bytes() for name in COLUMNS}


def expected(folder: Path) -> dict[str, bytes]:
    """The files as numpy writes them."""
    folder.mkdir(exist_ok=True)
    keep = np.arange(20) // 2 != 3
    for name, array in (("pairs", PAIRS), ("marks", MARKS)):
        np.save(folder / f"{name}.npy", array[keep])
    return {name: (folder / f"{name}.npy").read_bytes() for name in COLUMNS}


def test_files_are_those_numpy_writes(tmp_path: Path) -> None:
    assert finished(tmp_path / "w") == expected(tmp_path / "e")


def test_columns_come_back_as_memory_maps_of_whole_files(tmp_path: Path) -> None:
    with open_rows(tmp_path, "m1", INPUTS, COLUMNS) as rows:
        work(rows, 2)
        found = rows.finish()
    assert isinstance(found["pairs"], np.memmap)
    assert Path(str(found["pairs"].filename)) == tmp_path / "pairs.npy"
    np.testing.assert_array_equal(found["pairs"], PAIRS[:4])
    np.testing.assert_array_equal(found["marks"], MARKS[:4])


def test_a_column_without_rows_is_an_empty_array(tmp_path: Path) -> None:
    with open_rows(tmp_path, "m1", INPUTS, COLUMNS) as rows:
        assert rows.finish()["pairs"].shape == (0, 2)


KILLED = """
import os, signal, sys
from pathlib import Path
from care_bench.data import rows as module
from tests.data.test_rows import COLUMNS, INPUTS, work

write, left = module.write_json, [6]

def write_or_die(path, content):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)  # rows are written, the journal does not know of them
    write(path, content)

module.write_json = write_or_die
with module.open_rows(Path(sys.argv[1]), "m1", INPUTS, COLUMNS) as rows:
    work(rows, 10)
"""


def test_killed_between_rows_and_journal(tmp_path: Path) -> None:
    died = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "w"], timeout=300, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert died.returncode == -signal.SIGKILL
    assert json.loads((tmp_path / "w" / JOURNAL).read_text())["consumed"] == 5
    assert (tmp_path / "w" / "marks.npy").stat().st_size == 128 + 10  # one input more than the journal knows of
    with open_rows(tmp_path / "w", "m1", INPUTS, COLUMNS) as rows:
        assert rows.consumed == 5
        assert rows.broken == [3]
        assert (tmp_path / "w" / "marks.npy").stat().st_size == 128 + 8
    assert finished(tmp_path / "w") == expected(tmp_path / "e")


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ("nothing", 6),
        ("later input", 6),
        ("earlier input", 0),
        ("input less", 0),
        ("broken input", 6),
        ("broken input gone", 5),
        ("broken input gone and an earlier one", 0),
        ("input in the place of the broken one", 0),
        ("maker", 0),
        ("short file", 0),
        ("file gone", 0),
        ("journal gone", 0),
        ("journal cut", 0),
        ("journal of something else", 0),
    ],
)
def test_what_still_fits_is_kept(tmp_path: Path, change: str, kept: int) -> None:
    with open_rows(tmp_path, "m1", INPUTS, COLUMNS) as rows:
        work(rows, 6)
    journal, marks = tmp_path / JOURNAL, tmp_path / "marks.npy"
    inputs = list(INPUTS)
    if change == "later input":
        inputs[6] = "file6 11"
    elif change == "earlier input":
        inputs[5] = "file5 11"
    elif change == "input less":
        inputs = inputs[:5]
    elif change == "broken input":
        inputs[3] = "file3 11"
    elif change == "broken input gone":
        del inputs[3]
    elif change == "broken input gone and an earlier one":
        del inputs[2:4]
    elif change == "input in the place of the broken one":
        inputs[3] = "file3b 10"
    elif change == "short file":
        os.truncate(marks, marks.stat().st_size - 1)
    elif change == "file gone":
        marks.unlink()
    elif change == "journal gone":
        journal.unlink()
    elif change == "journal cut":
        journal.write_bytes(journal.read_bytes()[:-10])
    elif change == "journal of something else":
        journal.write_text("[]")
    with open_rows(tmp_path, "m2" if change == "maker" else "m1", inputs, COLUMNS) as rows:
        assert rows.consumed == kept
        assert rows.order == {6: [0, 1, 2, 4, 5], 5: [0, 1, 2, 3, 4], 0: []}[kept]
        assert rows.broken == ([3] if kept == 6 else [])
        assert marks.stat().st_size == 128 + (10 if kept else 0)


def test_input_that_is_broken_no_more_comes_last(tmp_path: Path) -> None:
    with open_rows(tmp_path, "m1", INPUTS, COLUMNS) as rows:
        work(rows, 5)
        rows.append({}, [], [5])
        rows.append(rows_of(3, 6), [3, 6])
    inputs = [*INPUTS[:5], *INPUTS[6:]]  # the fifth is removed
    with open_rows(tmp_path, "m1", inputs, COLUMNS) as rows:
        assert (rows.consumed, rows.broken, rows.order) == (6, [], [0, 1, 2, 4, 3, 5])
        np.testing.assert_array_equal(rows.finish()["marks"], rows_of(0, 1, 2, 4, 3, 6)["marks"])


def test_journal_never_speaks_for_other_rows(tmp_path: Path) -> None:
    """Rows for other inputs, killed before their first journal, and then the old inputs again."""
    with open_rows(tmp_path, "m1", INPUTS, COLUMNS) as rows:
        work(rows, 1)
    with open_rows(tmp_path, "m2", INPUTS, COLUMNS) as rows:
        assert rows.consumed == 0
        with (tmp_path / "marks.npy").open("ab") as file:
            file.write(bytes(100))
        with (tmp_path / "pairs.npy").open("ab") as file:
            file.write(bytes(100))
    with open_rows(tmp_path, "m1", INPUTS, COLUMNS) as rows:
        assert rows.consumed == 0


def test_other_columns_begin_anew(tmp_path: Path) -> None:
    with open_rows(tmp_path, "m1", INPUTS, COLUMNS) as rows:
        work(rows, 6)
    with open_rows(tmp_path, "m1", INPUTS, COLUMNS | {"pairs": (np.float32, (1, 2))}) as rows:
        assert rows.consumed == 0


def test_another_process_is_kept_out(tmp_path: Path) -> None:
    script = "import sys; from tests.data.test_rows import *\nfinished(Path(sys.argv[1]))"
    command = [sys.executable, "-c", script, tmp_path]
    with open_rows(tmp_path, "m1", INPUTS, COLUMNS):
        other = subprocess.run(
            command, capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
    assert other.returncode != 0
    assert f"CareBenchError: another process is preparing {tmp_path}; expected one at a time" in other.stderr
    finished(tmp_path)  # and let in once it is free


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    with open_rows(tmp_path, "m1", INPUTS, COLUMNS) as rows:
        with pytest.raises(ValueError, match=r"pairs\.npy: rows are float64 \(1, 2\), expected float32 \(n, 2\)"):
            rows.append({"pairs": np.zeros((1, 2))}, [0])
        with pytest.raises(ValueError, match=r"rows are float32 \(1, 3\)"):
            rows.append({"pairs": np.zeros((1, 3), dtype=np.float32)}, [0])


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(CareBenchError, match=r"cannot write .*file/w: Not a directory; expected a writable folder"),
        open_rows(tmp_path / "file" / "w", "m1", INPUTS, COLUMNS),
    ):
        pass


FULL = """
import resource, signal, sys
from tests.data.test_rows import *

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open_rows(Path(sys.argv[1]), "m1", INPUTS, COLUMNS) as rows:
    resource.setrlimit(resource.RLIMIT_FSIZE, (128 + 100, -1))
    work(rows, 10)
"""


def test_full_disk_is_one_line_and_the_next_attempt_continues(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, tmp_path / "w"]
    full = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert "expected a writable folder with space left" in full.stderr.splitlines()[-1]
    assert finished(tmp_path / "w") == expected(tmp_path / "e")


def test_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 100))
    with open_rows(tmp_path, "m1", INPUTS, COLUMNS) as rows:
        work(rows, 1)  # two pairs of 8 bytes, two marks of one
        rows.reserve({"pairs": 12, "marks": 22})  # 10 * 8 + 20 more
        with pytest.raises(CareBenchError, match=r"has 100 bytes free, expected 101 for what is still to be written"):
            rows.reserve({"pairs": 12, "marks": 23})
