"""Rows that outlive a stopped process: .npy files that only grow, and a journal of what went into them."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from care_bench.data.source import Array
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, write_json

JOURNAL = "journal.json"

Columns: TypeAlias = Mapping[str, tuple[npt.DTypeLike, tuple[int, ...]]]
"""Name of a file -> dtype and shape of one of its rows."""


class Rows:
    """Rows made from a list of inputs, in its order; what was made before is kept as long as it still fits.

    What is there is continued when the maker, the columns and the inputs consumed so far are the same, so inputs that
    come later in the list may change. Otherwise, and when a file is shorter than the journal says, all starts anew.

    Attributes:
        folder: where the files are.
        consumed: how many of the inputs are done.
        broken: indices of those that gave no rows because they could not be read.
    """

    def __init__(self, folder: Path, maker: str, inputs: Sequence[str], columns: Columns) -> None:
        """Open the rows; use :func:`open_rows`, which keeps other processes out.

        Args:
            folder: where the files are; it exists.
            maker: what makes rows of inputs, with the versions on which they depend.
            inputs: every input in one line, with what tells its content from another's.
            columns: the files.
        """
        self.folder = folder
        self.consumed = 0
        self.broken: list[int] = []
        self._maker = [maker, [[name, np.dtype(dtype).str, list(shape)] for name, (dtype, shape) in columns.items()]]
        self._inputs = inputs
        self._columns = {name: _Column(folder / f"{name}.npy", *column) for name, column in columns.items()}
        self._digest = self._hash(0)
        self._resume()

    def append(self, blocks: Mapping[str, Array], consumed: int, broken: Sequence[int] = ()) -> None:
        """Add rows for the next inputs; once this returns, they survive whatever happens to the process.

        Args:
            blocks: column -> array (n, *shape) of its dtype; columns without new rows may be left out.
            consumed: how many further inputs are done.
            broken: indices, among all inputs, of those of them that gave no rows.

        Raises:
            CareBenchError: the disk is full or fails.
        """
        with writing(self.folder):
            for name, block in blocks.items():
                self._columns[name].append(block)
        done = self.consumed + consumed
        _feed(self._digest, self._inputs[self.consumed : done])
        self.consumed = done
        self.broken += broken
        journal = {
            "inputs_sha256": self._digest.hexdigest(),
            "consumed": done,
            "broken": self.broken,
            "rows": {name: column.rows for name, column in self._columns.items()},
        }
        write_json(self.folder / JOURNAL, journal)

    def reserve(self, rows: Mapping[str, int]) -> None:
        """Check that the disk has room for so many rows in all.

        Raises:
            CareBenchError: it has not.
        """
        needed = sum((n - self._columns[name].rows) * self._columns[name].row_bytes for name, n in rows.items())
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise CareBenchError(
                f"{self.folder} has {free} bytes free, expected {needed} for what is still to be written"
            )

    def finish(self) -> dict[str, Array]:
        """Complete the headers and return every column as a read-only memory map."""
        with writing(self.folder):
            return {name: column.finish() for name, column in self._columns.items()}

    def close(self) -> None:
        """Close the files."""
        for column in self._columns.values():
            column.file.close()

    def _resume(self) -> None:
        try:
            journal = json.loads((self.folder / JOURNAL).read_bytes())
            consumed, broken, rows = journal["consumed"], journal["broken"], journal["rows"]
            digest = self._hash(consumed)
            fits = digest.hexdigest() == journal["inputs_sha256"]
            fits = fits and all(column.holds(rows[name]) for name, column in self._columns.items())
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            fits = False
        if fits:
            self.consumed, self.broken, self._digest = consumed, broken, digest
        else:
            (self.folder / JOURNAL).unlink(missing_ok=True)  # first: it must not speak for other rows
        for name, column in self._columns.items():
            column.truncate(rows[name] if fits else 0)

    def _hash(self, consumed: int) -> hashlib._Hash:
        digest = hashlib.sha256(canonical_json(self._maker))
        _feed(digest, self._inputs[:consumed])
        return digest


@contextmanager
def open_rows(folder: Path, maker: str, inputs: Sequence[str], columns: Columns) -> Iterator[Rows]:
    """Open the rows in a folder, which is made where missing, for this process alone.

    Raises:
        CareBenchError: another process has them, or the folder cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        with writing(folder):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CareBenchError(f"another process is preparing {folder}; expected one at a time") from None
            rows = Rows(folder, maker, inputs, columns)
        try:
            yield rows
        finally:
            rows.close()
    finally:
        os.close(descriptor)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the system has against writing into one line."""
    try:
        yield
    except OSError as error:
        found = error.strerror or error
        raise CareBenchError(f"cannot write {folder}: {found}; expected a writable folder with space left") from error


class _Column:
    """One growing .npy file; numpy pads its headers so that they are of one length whatever the number of rows."""

    def __init__(self, path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
        self.path, self.dtype, self.shape = path, np.dtype(dtype), shape
        self.row_bytes = self.dtype.itemsize * math.prod(shape)
        self.rows = 0
        self.header_bytes = len(self._header())
        self.file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)

    def holds(self, rows: int) -> bool:
        return os.fstat(self.file.fileno()).st_size >= self._end(rows)

    def truncate(self, rows: int) -> None:
        self.file.truncate(self._end(rows))
        self.rows = rows

    def append(self, block: Array) -> None:
        if block.dtype != self.dtype or block.shape[1:] != self.shape:
            expected = f"{self.dtype} (n, {', '.join(map(str, self.shape))})"
            raise ValueError(f"{self.path.name}: rows are {block.dtype} {block.shape}, expected {expected}")
        self._write(self._end(self.rows), np.ascontiguousarray(block).tobytes())
        self.rows += len(block)

    def finish(self) -> Array:
        self._write(0, self._header())
        return np.load(self.path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

    def _write(self, start: int, content: bytes) -> None:
        view = memoryview(content)
        self.file.seek(start)
        while view:  # the system may take less than it is handed, for one when the disk fills up
            view = view[self.file.write(view) :]
        os.fsync(self.file.fileno())

    def _end(self, rows: int) -> int:
        return self.header_bytes + rows * self.row_bytes

    def _header(self) -> bytes:
        header = io.BytesIO()
        fields: dict[str, Any] = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),  # type: ignore[no-untyped-call]
            "fortran_order": False,
            "shape": (self.rows, *self.shape),
        }
        np.lib.format.write_array_header_1_0(header, fields)  # type: ignore[no-untyped-call]
        return header.getvalue()


def _feed(digest: hashlib._Hash, inputs: Sequence[str]) -> None:
    for line in inputs:
        digest.update(f"{line}\n".encode(errors="surrogateescape"))
