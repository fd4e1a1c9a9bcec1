"""Arrays of known size as .npy memory maps, filled block by block; finished blocks survive a killed process.

Beside the maps, ``done.npy`` has a mark for every block: zero, or a hash of the maker and the block's input. A mark is
written after the rows of the block were flushed to the disk, and removed before they change. So whenever the process
ends, a mark stands for rows that are there, and says what they were made of. A half-written mark counts as none.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from care_bench.data.preparing.npy import write_npy
from care_bench.data.preparing.workspace import writing
from care_bench.data.source import Array
from care_bench.errors import CareBenchError

DONE = "done.npy"
COPIED = 1 << 26  # bytes copied together


@dataclass(frozen=True)
class Block:
    """The rows that one input gives.

    Attributes:
        array: name of the array they belong to.
        start: the first of them.
        count: how many.
        source: the input in one line: its name, and what changes with its content, such as size and time of change.
    """

    array: str
    start: int
    count: int
    source: str

    @property
    def rows(self) -> slice:
        """Their places in the array."""
        return slice(self.start, self.start + self.count)

    def mark(self, maker: str) -> int:
        """Return a hash of what makes the block of which input; never zero."""
        content = f"{maker}\n{self.array} {self.start} {self.count} {self.source}"
        return int.from_bytes(hashlib.sha256(content.encode(errors="surrogateescape")).digest()[:8]) or 1


class MemoryMaps:
    """The memory maps in a folder.

    Blocks that an earlier attempt finished are kept where the maker, the block and its input are the same, unless the
    dtype or shape of an array, or the number of blocks, has changed.

    Attributes:
        blocks: all blocks; together they cover every row of every array.
    """

    def __init__(
        self,
        folder: Path,
        maker: str,
        arrays: Mapping[str, tuple[npt.DTypeLike, tuple[int, ...]]],
        blocks: Sequence[Block],
    ) -> None:
        """Open the maps; the caller holds the folder's lock.

        Args:
            folder: where the files are; it exists.
            maker: what makes rows of inputs, with the versions on which they depend.
            arrays: name -> dtype and shape.
            blocks: all blocks.

        Raises:
            CareBenchError: the disk has no room for what is still to be written, or the folder cannot be written.
        """
        self.blocks = blocks
        self._folder = folder
        self._arrays = {name: (np.dtype(dtype), shape) for name, (dtype, shape) in arrays.items()}
        self._marks = np.array([block.mark(maker) for block in blocks], dtype="<u8")
        with writing(folder):
            marks = self._read_marks()
            if marks is None:
                for name in (DONE, *(f"{name}.npy" for name in arrays)):  # the marks first
                    (folder / name).unlink(missing_ok=True)
            self._done = np.zeros(len(blocks), dtype=bool) if marks is None else marks == self._marks
            self._check_room()
            if marks is None:
                self._allocate()
            if marks is None or (marks[~self._done] != 0).any():
                write_npy(folder / DONE, "<u8", self._marks.shape, [np.where(self._done, self._marks, 0)])

    @property
    def todo(self) -> list[int]:
        """Indices of the blocks that are not finished."""
        return [index for index, done in enumerate(self._done) if not done]

    def write(self, rows: Mapping[int, Array]) -> None:
        """Write blocks; once this returns, they survive a killed process.

        Args:
            rows: index of a block -> its rows.

        Raises:
            CareBenchError: the disk is full or fails.
            ValueError: rows are not of the array's dtype and shape.
        """
        places: dict[str, dict[int, Array]] = {name: {} for name in self._arrays}
        for index, found in rows.items():
            block = self.blocks[index]
            dtype, shape = self._arrays[block.array]
            if (found.dtype, found.shape) != (dtype, (block.count, *shape[1:])):
                raise ValueError(
                    f"{block} has rows {found.dtype} {found.shape}, expected {dtype} {(block.count, *shape[1:])}"
                )
            places[block.array][block.start] = found
        with writing(self._folder):
            for name, found_at in places.items():
                _write_rows(self._folder / f"{name}.npy", found_at)
            _write_rows(self._folder / DONE, {index: self._marks[index : index + 1] for index in rows})
        self._done[list(rows)] = True

    def finish(self) -> dict[str, Array]:
        """Return every array as a read-only memory map, without the rows of unfinished blocks.

        Where a block is unfinished, the other rows are copied to another file, so that a later attempt can still fill
        the gap.

        Raises:
            CareBenchError: the disk is full or fails.
        """
        maps = {name: self._open(name) for name in self._arrays}
        keep = {name: np.ones(len(array), dtype=bool) for name, array in maps.items()}
        for index in self.todo:
            keep[self.blocks[index].array][self.blocks[index].rows] = False
        for name, array in maps.items():
            if not keep[name].all():
                shape = (int(keep[name].sum()), *array.shape[1:])
                path = self._folder / f"{name}.kept.npy"
                maps[name] = write_npy(path, array.dtype, shape, _chunks(array, keep[name]))
        return maps

    def _open(self, name: str) -> Array:
        return np.load(self._folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

    def _read_marks(self) -> Array | None:
        """Return the marks in the folder, or None where a file is missing or damaged or has another dtype or shape."""
        try:
            marks = np.load(self._folder / DONE, allow_pickle=False)
            there = {name: self._open(name) for name in self._arrays}
        except (FileNotFoundError, ValueError, EOFError):
            return None
        fits = {name: (array.dtype, array.shape) for name, array in there.items()} == self._arrays
        return marks if fits and (marks.dtype, marks.shape) == (self._marks.dtype, self._marks.shape) else None

    def _allocate(self) -> None:
        """Make files of zeros of the final size; the disk's blocks are taken as rows are written."""
        for name, (dtype, shape) in self._arrays.items():
            path = self._folder / f"{name}.npy"
            np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)  # type: ignore[no-untyped-call]
            with path.open("rb") as file:
                os.fsync(file.fileno())

    def _check_room(self) -> None:
        row_bytes = {name: dtype.itemsize * math.prod(shape[1:]) for name, (dtype, shape) in self._arrays.items()}
        needed = sum(self.blocks[index].count * row_bytes[self.blocks[index].array] for index in self.todo)
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise CareBenchError(
                f"{self._folder} has {free} bytes free, expected {needed} for what is still to be written"
            )


def _write_rows(path: Path, rows: Mapping[int, Array]) -> None:
    """Write rows to their places in a .npy file, and flush them to the disk.

    Not through a memory map: on a full disk, that would end the process by a signal.

    Args:
        path: the file.
        rows: index of the first row -> rows of the array's dtype and shape.
    """
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    with path.open("r+b", buffering=0) as file:
        for start, block in rows.items():
            offset, rest = array.offset + start * array.strides[0], memoryview(np.ascontiguousarray(block).tobytes())
            while rest:  # the system may take only a part, for example when the disk fills up
                written = os.pwrite(file.fileno(), rest, offset)
                offset, rest = offset + written, rest[written:]
        os.fsync(file.fileno())


def _chunks(array: Array, keep: Array) -> Iterator[Array]:
    rows = max(1, COPIED // array[0].nbytes)
    for start in range(0, len(array), rows):
        yield array[start : start + rows][keep[start : start + rows]]
