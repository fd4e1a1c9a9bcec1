"""Preparing continues after a kill, and gives the same files."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from care_bench.data import DATASETS, prepare
from care_bench.data.preparing.memory_maps import MemoryMaps
from care_bench.data.preparing.shards import Shards
from care_bench.data.sources import stl10
from tests.data import formats
from tests.data.killing import python

pytestmark = pytest.mark.faults

TASKS = {"imagenet100": 5, "flowers102": 3, "stl10": 8, "pdb": 10}
"""Number of parts that the small data sets are kept in; a part is four files, or two blocks of STL-10."""


def watch(monkeypatch: pytest.MonkeyPatch, call: Callable[[int], object]) -> None:
    """Call a function with 1, 2, ... before each part of a data set is kept."""
    numbers = itertools.count(1)
    monkeypatch.setattr(stl10, "BLOCK", 2)
    for keeper in (MemoryMaps, Shards):

        def write(self: object, found: object, real: Callable[..., None] = keeper.write) -> None:
            call(next(numbers))
            real(self, found)

        monkeypatch.setattr(keeper, "write", write)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for every data set, with its raw files and the store of a process that was killed."""
    root = tmp_path_factory.mktemp("killed")
    for name in TASKS:
        formats.write(name, root / name / "raw")
    ended = python(Path(__file__).with_name("killed_preparing.py"), root, *TASKS)
    assert ended.returncode == 0, ended.stderr
    return root


@pytest.mark.parametrize("name", TASKS)
def test_killed_preparing_continues_to_the_same_files(killed: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = killed / name
    formats.allow(monkeypatch, name, folder / "raw")
    assert {path.name for path in (folder / "store").iterdir()} == {f".{name}.partial", f".{name}.part"}
    parts: list[int] = []
    watch(monkeypatch, parts.append)
    prepare(name, folder / "store", folder / "raw")
    assert len(parts) == TASKS[name] - 1
    prepare(name, folder / "whole", folder / "raw")
    assert len(parts) == 2 * TASKS[name] - 1
    stamps = {f".{name}.originals"} if DATASETS[name].originals else set()  # when the raw files were last looked at
    assert {path.name for path in (folder / "store").iterdir()} == {name} | stamps
    assert formats.tree(folder / "store" / name) == formats.tree(folder / "whole" / name)
