"""Arrays of known size as .npy memory maps, filled block by block; finished blocks survive a killed process.

Next to the maps, ``done.npy`` has a mark for every block: zero, or a hash of the maker, the block's input and its rows.
A mark is written after the rows of the block were flushed to the disk. So a mark that matches means that the rows are
complete and unchanged, and identifies their input. A half-written mark matches no hash and counts as none.
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

from care_bench.data.preparing.npy import map_npy, write_npy
from care_bench.data.source import Array
from care_bench.errors import CareBenchError
from care_bench.files import remove
from care_bench.progress import progress
from care_bench.untrusted import is_damage, reason
from care_bench.unwritable import writing

DONE = "done.npy"
COPIED = 1 << 26  # bytes per copy


@dataclass(frozen=True)
class Block:
    """The rows of one input.

    Attributes:
        array: name of their array.
        start: index of the first row.
        count: number of rows.
        source: one line that identifies the input and its content, such as name, size and time of change.
    """

    array: str
    start: int
    count: int
    source: str

    @property
    def rows(self) -> slice:
        """The rows as a slice of the array."""
        return slice(self.start, self.start + self.count)

    def mark(self, maker: str, rows: Array) -> int:
        """Return a hash of maker, block, input and rows; never zero."""
        content = f"{maker}\n{self.array} {self.start} {self.count} {self.source}\n"
        digest = hashlib.blake2b(content.encode(errors="surrogateescape"), digest_size=8)
        digest.update(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
        return int.from_bytes(digest.digest()) or 1


class MemoryMaps:
    """The memory maps in a folder.

    Blocks that an earlier attempt finished are kept if maker, block, input and rows are the same. If the dtype or shape
    of an array or the number of blocks has changed, all are made again.

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
            maker: names the code that makes the rows, with the versions they depend on.
            arrays: name -> dtype and shape.
            blocks: all blocks.

        Raises:
            CareBenchError: the disk has no room for the remaining rows, or the folder cannot be written.
        """
        self.blocks = blocks
        self._folder = folder
        self._arrays = {name: (np.dtype(dtype), shape) for name, (dtype, shape) in arrays.items()}
        self._maker = maker
        with writing(folder):
            marks = self._read_marks()
            if marks is None:
                for name in (DONE, *(f"{name}.npy" for name in arrays)):  # the marks first
                    remove(folder / name)
            self._done = np.zeros(len(blocks), dtype=bool) if marks is None else self._matching(marks)
            self._check_room()
            if marks is None:
                self._allocate()
                write_npy(folder / DONE, "<u8", (len(blocks),), [np.zeros(len(blocks), "<u8")])
            elif (marks[~self._done] != 0).any():
                write_npy(folder / DONE, "<u8", marks.shape, [np.where(self._done, marks, 0)])

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
            marks = {index: self.blocks[index].mark(self._maker, found) for index, found in rows.items()}
            _write_rows(self._folder / DONE, {index: np.array([mark], "<u8") for index, mark in marks.items()})
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
        there = {}
        for name in (DONE, *(f"{name}.npy" for name in self._arrays)):
            path = self._folder / name
            try:
                if not path.is_file():
                    return None
                there[name] = map_npy(path)
            except Exception as error:  # numpy raises several kinds for damaged files
                if is_damage(error):
                    return None
                raise CareBenchError(f"{reason(path, error)}; expected a file of an earlier attempt") from error
        marks = np.array(there.pop(DONE))
        fits = {Path(name).stem: (array.dtype, array.shape) for name, array in there.items()} == self._arrays
        return marks if fits and (marks.dtype, marks.shape) == (np.dtype("<u8"), (len(self.blocks),)) else None

    def _matching(self, marks: Array) -> Array:
        """Tell for every block whether its mark is that of its input and of the rows that are there."""
        maps = {name: self._open(name) for name in self._arrays}
        found = np.zeros(len(marks), dtype=bool)
        marked = np.flatnonzero(marks).tolist()
        with progress(f"{self._maker.split()[0]}: finished blocks checked", len(marked)) as advance:
            for number, index in enumerate(marked, 1):
                block = self.blocks[index]
                found[index] = marks[index] == block.mark(self._maker, maps[block.array][block.rows])
                advance(number, "")
        return found

    def _allocate(self) -> None:
        """Make sparse files of the final size; they take space on the disk as rows are written."""
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
            raise CareBenchError(f"{self._folder} has {free} bytes free, expected {needed} for the remaining rows")


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
