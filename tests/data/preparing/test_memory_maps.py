from __future__ import annotations

import json
import os
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from care_bench.data.preparing import memory_maps
from care_bench.data.preparing.memory_maps import DONE, Block, MemoryMaps
from care_bench.errors import CareBenchError
from tests.data.killing import python
from tests.faults.damage import REPLACEMENTS

PAIRS = np.arange(1, 41, dtype=np.float32).reshape(20, 2)
MARKS = np.arange(1, 11, dtype=np.uint8)
ARRAYS = {"pairs": (np.float32, (20, 2)), "marks": (np.uint8, (10,))}
BLOCKS = [
    *(Block("pairs", 2 * i, 2, f"file{i} 10") for i in range(10)),
    *(Block("marks", i, 1, f"mark{i} 10") for i in range(10)),
]


def rows_of(index: int) -> np.ndarray:
    block = BLOCKS[index]
    return {"pairs": PAIRS, "marks": MARKS}[block.array][block.rows]


def work(folder: Path, until: int = len(BLOCKS), **changes: object) -> MemoryMaps:
    """Write the blocks before ``until``, three at a time."""
    folder.mkdir(exist_ok=True)
    maps = MemoryMaps(folder, **({"maker": "m1", "arrays": ARRAYS, "blocks": BLOCKS} | changes))
    todo = [index for index in maps.todo if index < until]
    for start in range(0, len(todo), 3):
        maps.write({index: rows_of(index) for index in todo[start : start + 3]})
    return maps


def is_finished(folder: Path) -> bool:
    """Finish the work, and check that its files are those that numpy writes."""
    maps = work(folder).finish()
    (folder / "numpy").mkdir(exist_ok=True)
    for name, expected in (("pairs", PAIRS), ("marks", MARKS)):
        np.testing.assert_array_equal(maps[name], expected)
        np.save(folder / "numpy" / f"{name}.npy", expected)
        assert (folder / f"{name}.npy").read_bytes() == (folder / "numpy" / f"{name}.npy").read_bytes()
    return True


def test_files_are_those_numpy_writes(tmp_path: Path) -> None:
    assert is_finished(tmp_path)
    found = MemoryMaps(tmp_path, "m1", ARRAYS, BLOCKS).finish()["pairs"]
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    assert Path(str(found.filename)) == tmp_path / "pairs.npy"


def test_blocks_may_be_written_in_any_order(tmp_path: Path) -> None:
    maps = MemoryMaps(tmp_path, "m1", ARRAYS, BLOCKS)
    for index in np.random.default_rng(0).permutation(len(BLOCKS)).tolist():
        maps.write({index: rows_of(index)})
    assert maps.todo == []
    assert is_finished(tmp_path)


@pytest.mark.parametrize("copied", [1, 40, 1 << 26])
def test_unfinished_blocks_are_left_out_and_can_be_finished_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: int
) -> None:
    monkeypatch.setattr(memory_maps, "COPIED", copied)
    maps = MemoryMaps(tmp_path, "m1", ARRAYS, BLOCKS)
    maps.write({index: rows_of(index) for index in range(len(BLOCKS)) if index not in (3, 9)})
    assert maps.todo == [3, 9]
    found = maps.finish()
    np.testing.assert_array_equal(found["pairs"], np.delete(PAIRS, [6, 7, 18, 19], axis=0))
    np.testing.assert_array_equal(found["marks"], MARKS)
    assert isinstance(found["pairs"], np.memmap)
    np.save(tmp_path / "numpy.npy", np.delete(PAIRS, [6, 7, 18, 19], axis=0))
    assert Path(str(found["pairs"].filename)).read_bytes() == (tmp_path / "numpy.npy").read_bytes()
    again = MemoryMaps(tmp_path, "m1", ARRAYS, BLOCKS)
    assert again.todo == [3, 9]
    assert is_finished(tmp_path)


def test_array_without_a_finished_block_is_empty(tmp_path: Path) -> None:
    maps = work(tmp_path, until=10)
    assert maps.finish()["marks"].shape == (0,)


KILL = """
import json, sys
from tests.data.killing import kill_everywhere
from tests.data.preparing.test_memory_maps import *

done = []
for place in kill_everywhere(Path(sys.argv[1]), work):
    done.append(len(BLOCKS) - len(MemoryMaps(place, "m1", ARRAYS, BLOCKS).todo))
    assert is_finished(place), place
print(json.dumps(done))
"""


def test_killed_at_any_file_operation(tmp_path: Path) -> None:
    ran = python("-c", KILL, tmp_path)
    assert ran.returncode == 0, ran.stderr
    done = json.loads(ran.stdout)
    assert done == sorted(done)
    assert set(done) == set(range(len(BLOCKS) + 1)), "a block counts as soon as its mark is written"


MIXED = """
import sys
from tests.data.killing import kill_everywhere
from tests.data.preparing.test_memory_maps import *

folder, change = Path(sys.argv[1]), sys.argv[2]
work(folder / "first")

def change_it(place):
    shutil.copytree(folder / "first", place)
    if change == "file gone":
        (place / "pairs.npy").unlink()
    maps = MemoryMaps(place, "m2" if change == "another maker" else "m1", ARRAYS, BLOCKS)
    for index in maps.todo:
        maps.write({index: rows_of(index) * (99 if change == "another maker" else 1)})

(folder / "killed").mkdir()
for place in kill_everywhere(folder / "killed", change_it):
    assert is_finished(place), place
"""


@pytest.mark.parametrize("change", ["another maker", "file gone"])
def test_a_mark_never_counts_for_other_rows(tmp_path: Path, change: str) -> None:
    """A process that replaces finished rows is killed; then the first maker continues."""
    ran = python("-c", MIXED, tmp_path, change)
    assert ran.returncode == 0, ran.stderr


def test_partial_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, content, offset: real(file, content[:3], offset))
    assert is_finished(tmp_path)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


CHANGED = [*BLOCKS[:1], replace(BLOCKS[1], source="file1 11"), *BLOCKS[2:]]


@pytest.mark.parametrize(
    ("changes", "todo"),
    [
        ({}, [9]),
        ({"maker": "m2"}, range(20)),
        ({"blocks": CHANGED}, [1, 9]),
        ({"blocks": [BLOCKS[1], BLOCKS[0], *BLOCKS[2:]]}, [0, 1, 9]),
        ({"blocks": BLOCKS[:-1]}, range(19)),
        ({"blocks": [*BLOCKS, BLOCKS[0]]}, range(21)),
        ({"arrays": ARRAYS | {"pairs": (np.float64, (20, 2))}}, range(20)),
        ({"arrays": ARRAYS | {"pairs": (np.float32, (20, 1, 2))}}, range(20)),
    ],
)
def test_blocks_of_unchanged_sources_are_kept(tmp_path: Path, changes: dict[str, object], todo: list[int]) -> None:
    maps = work(tmp_path, until=9)
    maps.write({index: rows_of(index) for index in range(10, 20)})
    assert MemoryMaps(tmp_path, **({"maker": "m1", "arrays": ARRAYS, "blocks": BLOCKS} | changes)).todo == [*todo]
    assert is_finished(tmp_path)


@pytest.mark.parametrize("file", ["pairs.npy", "marks.npy", DONE])
@pytest.mark.parametrize("damage", [Path.unlink, truncate, lambda path: path.write_bytes(b"")])
def test_missing_or_damaged_files_are_made_again(tmp_path: Path, file: str, damage: object) -> None:
    work(tmp_path)
    damage(tmp_path / file)  # type: ignore[operator]
    assert len(MemoryMaps(tmp_path, "m1", ARRAYS, BLOCKS).todo) == len(BLOCKS)
    assert is_finished(tmp_path)


def test_rows_that_were_changed_are_made_again(tmp_path: Path) -> None:
    work(tmp_path)
    rows = np.load(tmp_path / "pairs.npy", mmap_mode="r+")
    rows[7, 1] += 1
    rows.flush()
    assert MemoryMaps(tmp_path, "m1", ARRAYS, BLOCKS).todo == [3]
    assert is_finished(tmp_path)


@pytest.mark.parametrize("file", ["pairs.npy", DONE])
@pytest.mark.parametrize("kind", REPLACEMENTS)
def test_what_is_not_a_regular_file_is_replaced(tmp_path: Path, file: str, kind: str) -> None:
    work(tmp_path)
    REPLACEMENTS[kind](tmp_path / file)
    assert is_finished(tmp_path)


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    maps = MemoryMaps(tmp_path, "m1", ARRAYS, BLOCKS)
    for wrong in (np.zeros((2, 2)), np.zeros((1, 2), np.float32), np.zeros((2, 3), np.float32)):
        with pytest.raises(ValueError, match=r"has rows float.. \(., .\), expected float32 \(2, 2\)"):
            maps.write({0: wrong})
    assert maps.todo == [*range(20)]


FULL = """
import resource, signal, sys
from tests.data.preparing.test_memory_maps import *

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
work(Path(sys.argv[1]), until=3)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
work(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("limit", [128 + 100, 128 + 77, 1])  # between blocks, inside one, and no file at all
def test_full_disk_is_one_line_and_the_next_attempt_continues(tmp_path: Path, limit: int) -> None:
    full = python("-c", FULL, tmp_path / "w", str(limit))
    assert "expected a writable folder with space left" in full.stderr.splitlines()[-1]
    assert len(MemoryMaps(tmp_path / "w", "m1", ARRAYS, BLOCKS).todo) <= 17
    assert is_finished(tmp_path / "w")


def test_too_little_space_on_the_disk_is_refused_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    work(tmp_path, until=1)
    left = 20 * 8 + 10 - 16  # two pairs are already written
    for free in (left - 1, left):
        monkeypatch.setattr(shutil, "disk_usage", lambda folder, free=free: usage(10**9, 10**9, free))
        if free < left:
            with pytest.raises(CareBenchError, match=f"has {free} bytes free, expected {left} for the remaining rows"):
                MemoryMaps(tmp_path, "m1", ARRAYS, BLOCKS)
        else:
            assert len(MemoryMaps(tmp_path, "m1", ARRAYS, BLOCKS).todo) == 19
