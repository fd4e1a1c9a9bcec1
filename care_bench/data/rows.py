"""Rows that outlive a stopped process: .npy files that only grow, and a journal of what went into them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from care_bench.data.column import Column
from care_bench.data.source import Array
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, write_json

JOURNAL = "journal.json"

Columns: TypeAlias = Mapping[str, tuple[npt.DTypeLike, tuple[int, ...]]]
"""Name of a file -> dtype and shape of one of its rows."""


class Rows:
    """Rows made from a list of inputs; what was made before is kept as long as it still fits.

    What is there is continued when the maker, the columns and the inputs that gave rows are the same: inputs that come
    later in the list may change, and broken ones may change or go. Otherwise, and when a file is shorter than the
    journal says, all starts anew.

    Attributes:
        folder: where the files are.
        consumed: how many of the inputs were looked at, from the first on.
        broken: indices of those that gave no rows because they could not be read.
    """

    def __init__(self, folder: Path, maker: str, inputs: Sequence[str], columns: Columns) -> None:
        """Open the rows; use :func:`open_rows`, which keeps other processes out.

        Args:
            folder: where the files are; it exists.
            maker: what makes rows of inputs, with the versions on which they depend.
            inputs: every input in one line: its name, a space, and what tells its content from another's.
            columns: the files.
        """
        self.folder = folder
        self.consumed = 0
        self.broken: list[int] = []
        self._runs: list[list[int]] = []  # of inputs that gave rows, first and one past the last, in the rows' order
        self._maker = [maker, [[name, np.dtype(dtype).str, list(shape)] for name, (dtype, shape) in columns.items()]]
        self._inputs = inputs
        self._columns = {name: Column(folder / f"{name}.npy", *column) for name, column in columns.items()}
        self._digest = self._hash([])
        self._resume()

    @property
    def order(self) -> list[int]:
        """Indices of the inputs that gave rows, in the order of the rows: their own, unless some were broken first."""
        return [index for start, stop in self._runs for index in range(start, stop)]

    def append(self, blocks: Mapping[str, Array], inputs: Sequence[int], broken: Sequence[int] = ()) -> None:
        """Add rows of some inputs; once this returns, they survive whatever happens to the process.

        Args:
            blocks: column -> array (n, *shape) of its dtype; columns without new rows may be left out.
            inputs: indices of the inputs that gave them: the next ones, or some that were broken before.
            broken: indices of those that were looked at as well and gave no rows.

        Raises:
            CareBenchError: the disk is full or fails.
        """
        with writing(self.folder):
            for name, block in blocks.items():
                self._columns[name].append(block)
        _feed(self._digest, [self._inputs[index] for index in inputs])
        for index in inputs:
            if self._runs and self._runs[-1][1] == index:
                self._runs[-1][1] += 1
            else:
                self._runs.append([index, index + 1])
        self.broken = sorted({*self.broken, *broken} - {*inputs})
        self.consumed = max([self.consumed, *(index + 1 for index in (*inputs, *broken))])
        journal = {
            "inputs_sha256": self._digest.hexdigest(),
            "consumed": self.consumed,
            "order": self._runs,
            "broken": [[index, _name(self._inputs[index])] for index in self.broken],
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
            broken: list[int] = []
            gone: list[int] = []
            for index, name in journal["broken"]:
                place = index - len(gone)
                if place < len(self._inputs) and _name(self._inputs[place]) == name:
                    broken.append(place)
                else:
                    gone.append(index)
            runs = [[end - bisect(gone, start) for end in (start, stop)] for start, stop in journal["order"]]
            consumed, rows = journal["consumed"] - len(gone), journal["rows"]
            digest = self._hash(runs)
            fits = digest.hexdigest() == journal["inputs_sha256"]
            fits = fits and all(column.holds(rows[name]) for name, column in self._columns.items())
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            fits = False
        if fits:
            self.consumed, self.broken, self._runs, self._digest = consumed, broken, runs, digest
        else:
            (self.folder / JOURNAL).unlink(missing_ok=True)  # first: it must not speak for other rows
        for name, column in self._columns.items():
            column.truncate(rows[name] if fits else 0)

    def _hash(self, runs: Sequence[Sequence[int]]) -> hashlib._Hash:
        digest = hashlib.sha256(canonical_json(self._maker))
        for start, stop in runs:
            _feed(digest, self._inputs[start:stop])
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


def _name(line: str) -> str:
    return line.rpartition(" ")[0]


def _feed(digest: hashlib._Hash, inputs: Sequence[str]) -> None:
    for line in inputs:
        digest.update(f"{line}\n".encode(errors="surrogateescape"))
