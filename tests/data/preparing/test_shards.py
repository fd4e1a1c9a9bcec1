from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from care_bench.data.preparing.shards import Rows, Shards, join
from care_bench.errors import CareBenchError
from tests.data.killing import python
from tests.faults.damage import REPLACEMENTS, damage

INPUTS = [f"file{i} 10" for i in range(10)]
COUNTS = [2, 0, 3, 1, 4, 1, 0, 2, 1, 3]


def rows_of(index: int) -> np.ndarray:
    return np.arange(COUNTS[index] * 2, dtype=np.float32).reshape(-1, 2) + 100 * index


def shards_in(folder: Path, inputs: list[str] = INPUTS, maker: str = "m1") -> Shards:
    return Shards(folder / "shards", maker, inputs, np.float32, (2,))


def work(folder: Path, *left_out: int, inputs: list[str] = INPUTS, maker: str = "m1") -> Shards:
    """Write the missing inputs, three per shard; the note of an input is its name."""
    shards = shards_in(folder, inputs, maker)
    todo = [index for index in shards.todo if index not in left_out]
    for start in range(0, len(todo), 3):
        shards.write({i: (rows_of(number(inputs[i])), {"name": inputs[i]}) for i in todo[start : start + 3]})
    return shards


def number(line: str) -> int:
    return int(line.removeprefix("file").split()[0])


def is_finished(folder: Path) -> bool:
    """Finish the work and join it, and check that the file is the one that numpy writes of all rows in order."""
    found = work(folder).finished
    assert [each.note for each in found if each] == [{"name": line} for line in INPUTS]
    joined = join(folder / "all.npy", [each.rows for each in found if each], np.float32, (2,))
    assert isinstance(joined, np.memmap)
    np.save(folder / "numpy.npy", np.concatenate([rows_of(index) for index in range(10)]))
    assert (folder / "all.npy").read_bytes() == (folder / "numpy.npy").read_bytes()
    return True


def test_joined_file_is_the_one_numpy_writes(tmp_path: Path) -> None:
    assert shards_in(tmp_path).todo == [*range(10)]
    assert is_finished(tmp_path)
    assert shards_in(tmp_path).todo == []


def test_pieces_are_joined_in_any_order(tmp_path: Path) -> None:
    finished = [each.rows for each in work(tmp_path).finished if each]
    part = Rows(finished[4].path, finished[4].start + 1, 2)
    joined = join(tmp_path / "some.npy", [finished[9], part, finished[1], finished[0]], np.float32, (2,))
    np.testing.assert_array_equal(joined, np.concatenate([rows_of(9), rows_of(4)[1:3], rows_of(0)]))
    assert join(tmp_path / "none.npy", [], np.float32, (2,)).shape == (0, 2)


def test_only_inputs_without_rows_are_read_again(tmp_path: Path) -> None:
    work(tmp_path, 1, 7)
    assert shards_in(tmp_path).todo == [1, 7]
    assert is_finished(tmp_path)


@pytest.mark.parametrize(
    ("inputs", "maker", "todo"),
    [
        (INPUTS, "m1", []),
        (INPUTS, "m2", range(10)),
        ([*INPUTS[:4], "file4 11", *INPUTS[5:]], "m1", [4]),
        ([*INPUTS[:4], *INPUTS[5:]], "m1", []),
        (["file0 11", "file00 10", *INPUTS[1:]], "m1", [0, 1]),
        (INPUTS[::-1], "m1", []),
    ],
)
def test_rows_of_inputs_that_have_not_changed_are_kept(
    tmp_path: Path, inputs: list[str], maker: str, todo: list[int]
) -> None:
    work(tmp_path)
    assert shards_in(tmp_path, inputs, maker).todo == [*todo]
    finished = work(tmp_path, inputs=inputs, maker=maker).finished
    for line, found in zip(inputs, finished, strict=True):
        assert found is not None
        assert found.note == {"name": line}
        np.testing.assert_array_equal(join(tmp_path / "one.npy", [found.rows], np.float32, (2,)), rows_of(number(line)))
    assert is_finished(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [*((suffix, damage) for suffix in (".npy", ".json") for damage in ("missing", "cut", "empty")), (".json", "other")],
)
def test_damaged_shard_is_made_again(tmp_path: Path, suffix: str, damage: str) -> None:
    work(tmp_path)
    path, other = sorted((tmp_path / "shards").glob(f"*{suffix}"))[:2]
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": path.read_bytes()[:-8], "empty": b"", "other": other.read_bytes()}[damage])
    assert len(shards_in(tmp_path).todo) in (1, 3)  # the inputs of one shard
    assert is_finished(tmp_path)


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_shard_that_was_changed_is_made_again(tmp_path: Path, suffix: str) -> None:
    work(tmp_path)
    for path in (tmp_path / "shards").glob(f"*{suffix}"):
        content = path.read_bytes()
        flipped = content[:-1] + bytes([content[-1] ^ 1])
        path.write_bytes(content.replace(b'"name"', b'"mane"') if suffix == ".json" else flipped)
    assert shards_in(tmp_path).todo == [*range(10)]
    assert is_finished(tmp_path)


@pytest.mark.parametrize("suffix", [".npy", ".json"])
@pytest.mark.parametrize("kind", [*REPLACEMENTS, "nested deeply"])
def test_a_shard_that_is_no_file_is_made_again(tmp_path: Path, suffix: str, kind: str) -> None:
    work(tmp_path)
    for path in (tmp_path / "shards").glob(f"*{suffix}"):
        damage(path, kind, random.Random(0))
    assert is_finished(tmp_path)


KILL = """
import json, sys
from tests.data.killing import kill_everywhere
from tests.data.preparing.test_shards import *

todo = []
for place in kill_everywhere(Path(sys.argv[1]), work):
    todo.append(len(shards_in(place).todo))
    assert is_finished(place), place
print(json.dumps(todo))
"""


def test_killed_at_any_file_operation(tmp_path: Path) -> None:
    ran = python("-c", KILL, tmp_path)
    assert ran.returncode == 0, ran.stderr
    todo = json.loads(ran.stdout)
    assert todo == sorted(todo, reverse=True)
    assert set(todo) == {10, 7, 4, 1, 0}


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    shards = shards_in(tmp_path)
    for wrong in (np.zeros((1, 2)), np.zeros((1, 3), dtype=np.float32)):
        with pytest.raises(ValueError, match=r"file0 10: rows are float\d\d \(1, \d\), expected float32 \(n, 2\)"):
            shards.write({0: (wrong, None)})
    assert shards_in(tmp_path).todo == [*range(10)]


FULL = """
import resource, signal, sys
from tests.data.preparing.test_shards import *

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
work(Path(sys.argv[1]), *range(3, 10))
resource.setrlimit(resource.RLIMIT_FSIZE, (150, -1))
work(Path(sys.argv[1]))
"""


def test_full_disk_is_one_line_and_the_next_attempt_continues(tmp_path: Path) -> None:
    full = python("-c", FULL, tmp_path)
    assert "expected a writable folder with space left" in full.stderr.splitlines()[-1]
    assert shards_in(tmp_path).todo == [*range(3, 10)]
    assert is_finished(tmp_path)


def test_full_disk_while_joining_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = [each.rows for each in work(tmp_path).finished if each]
    monkeypatch.setattr(np, "ascontiguousarray", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(CareBenchError, match=r"cannot write .*all\.npy: No space left; expected a writable folder"):
        join(tmp_path / "all.npy", finished, np.float32, (2,))
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]
