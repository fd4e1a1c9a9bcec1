"""Rows of inputs that give an unknown number of rows each: one shard per task.

A shard is a .npy file with the rows of some inputs, and a .json file that names these inputs, with a sha256 of both.
Both are written atomically, the .json file last: a shard without it does not count, nor one that was changed since. The
name of a shard is a hash of its maker and its inputs. So the rows of an unchanged input are found again, even if other
inputs were added, removed or repaired.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from care_bench.data.preparing.npy import map_npy, write_npy
from care_bench.data.source import Array
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, remove, sha256_bytes, sha256_file, write_json
from care_bench.untrusted import is_damage, reason
from care_bench.unwritable import writing

OPEN = 64  # shards open at a time


@dataclass(frozen=True)
class Rows:
    """``count`` rows of a .npy file, from row ``start`` on."""

    path: Path
    start: int
    count: int


@dataclass(frozen=True)
class Finished:
    """The result of one input: its rows, and a note that JSON can hold."""

    rows: Rows
    note: Any


class Shards:
    """The shards in a folder.

    Attributes:
        folder: the folder.
        finished: the result of every input, None where no shard has it.
    """

    def __init__(
        self, folder: Path, maker: str, inputs: Sequence[str], dtype: npt.DTypeLike, shape: tuple[int, ...]
    ) -> None:
        """Read the shards that are still valid; the caller holds the lock of the workspace.

        Args:
            folder: the folder; it need not exist.
            maker: names the code that makes the rows, with the versions they depend on.
            inputs: one line per input that identifies it and its content, such as name, size and time of change.
            dtype: of the rows.
            shape: of one row.
        """
        self.folder = folder
        self._maker, self._inputs = maker, inputs
        self._dtype, self._shape = np.dtype(dtype), shape
        there: dict[str, Finished] = {}
        for path in sorted(folder.glob("*.json")):
            there |= self._read(path)
        self.finished = [there.get(line) for line in inputs]

    @property
    def todo(self) -> list[int]:
        """Indices of the inputs whose rows are in no shard."""
        return [index for index, found in enumerate(self.finished) if found is None]

    def write(self, found: Mapping[int, tuple[Array, Any]]) -> None:
        """Write one shard; once this returns, it survives a killed process.

        Args:
            found: index of an input -> its rows, and its note.

        Raises:
            CareBenchError: the disk is full or fails.
            ValueError: rows are not of the dtype and shape.
        """
        for index, (rows, _) in found.items():
            if rows.dtype != self._dtype or rows.shape[1:] != self._shape:
                expected = f"{self._dtype} (n, {', '.join(map(str, self._shape))})"
                raise ValueError(f"{self._inputs[index]}: rows are {rows.dtype} {rows.shape}, expected {expected}")
        if not found:
            return
        inputs = [[self._inputs[index], len(rows), note] for index, (rows, note) in found.items()]
        path = self.folder / f"{self._name(inputs)}.json"
        with writing(path):
            for part in (path, path.with_suffix(".npy")):
                if part.exists() and not part.is_file():  # something else in its place
                    remove(part)
        shape = (sum(count for _, count, _ in inputs), *self._shape)
        write_npy(path.with_suffix(".npy"), self._dtype, shape, (rows for rows, _ in found.values()))
        write_json(path, {"inputs": inputs, "sha256": _sha256(path, inputs)})
        there = self._read(path)
        for index in found:
            self.finished[index] = there[self._inputs[index]]

    def _read(self, path: Path) -> dict[str, Finished]:
        """Return the results in a shard by input; none if it is damaged or has another maker."""
        rows_path = path.with_suffix(".npy")
        try:
            if not path.is_file() or not rows_path.is_file():
                return {}
            content = json.loads(path.read_bytes())
            inputs = content["inputs"]
            if self._name(inputs) != path.stem or _sha256(path, inputs) != content["sha256"]:
                return {}
            rows = map_npy(rows_path)
            fits = (rows.dtype, rows.shape) == (self._dtype, (sum(count for _, count, _ in inputs), *self._shape))
        except Exception as error:  # decoders raise several kinds for damaged files
            if is_damage(error):
                return {}
            raise CareBenchError(f"{reason(path, error)}; expected a file of an earlier attempt") from error
        found: dict[str, Finished] = {}
        start = 0
        for line, count, note in inputs if fits else ():
            found[line] = Finished(Rows(rows_path, start, count), note)
            start += count
        return found

    def _name(self, inputs: Iterable[Sequence[Any]]) -> str:
        return sha256_bytes(canonical_json([self._maker, [line for line, *_ in inputs]]))[:32]


def _sha256(path: Path, inputs: Sequence[Sequence[Any]]) -> str:
    """Return one sha256 for the rows of a shard and for what is said of its inputs."""
    return sha256_bytes(canonical_json([sha256_file(path.with_suffix(".npy")), inputs]))


def join(path: Path, pieces: Sequence[Rows], dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Array:
    """Copy rows out of shards into one .npy file, piece after piece, and return it as a read-only memory map.

    Args:
        path: the file to make.
        pieces: which rows, in order.
        dtype: of the rows.
        shape: of one row.

    Raises:
        CareBenchError: the disk is full or fails.
    """
    opened = lru_cache(maxsize=OPEN)(partial(np.load, mmap_mode="r", allow_pickle=False))
    blocks = (opened(piece.path)[piece.start : piece.start + piece.count] for piece in pieces)
    return write_npy(path, dtype, (sum(piece.count for piece in pieces), *shape), blocks)
