"""Preparing continues after a kill, and gives the same files."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from care_bench.data import prepare
from care_bench.data.preparing.memory_maps import MemoryMaps
from care_bench.data.preparing.shards import Shards
from care_bench.data.sources import stl10
from tests.data import formats
from tests.data.killing import KILLED, python

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


@pytest.mark.parametrize("name", TASKS)
def test_killed_preparing_continues_to_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    formats.written_set(monkeypatch, name, tmp_path / "raw")
    died = python(Path(__file__).with_name("killed_preparing.py"), name, tmp_path)
    assert died.returncode == KILLED, died.stderr
    assert [path.name for path in (tmp_path / "store").iterdir()] == [f".{name}.partial"]
    parts: list[int] = []
    watch(monkeypatch, parts.append)
    prepare(name, tmp_path / "store", tmp_path / "raw")
    assert len(parts) == TASKS[name] - 1
    prepare(name, tmp_path / "whole", tmp_path / "raw")
    assert len(parts) == 2 * TASKS[name] - 1
    assert formats.tree(tmp_path / "store") == formats.tree(tmp_path / "whole")
