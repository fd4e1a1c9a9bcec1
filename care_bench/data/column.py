"""A .npy file that grows row by row and is whole only once it is finished."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from care_bench.data.source import Array


class Column:
    """One growing .npy file; numpy pads its headers so that they are of one length whatever the number of rows.

    Attributes:
        path, dtype, shape: the file, and the rows in it.
        row_bytes: size of a row.
        rows: how many there are.
        file: the open file, to be closed by the caller.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
        self.path, self.dtype, self.shape = path, np.dtype(dtype), shape
        self.row_bytes = self.dtype.itemsize * math.prod(shape)
        self.rows = 0
        self.header_bytes = len(self._header())
        self.file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)

    def holds(self, rows: int) -> bool:
        """Tell whether the file is as long as so many rows need."""
        return os.fstat(self.file.fileno()).st_size >= self._end(rows)

    def truncate(self, rows: int) -> None:
        """Keep the first rows only."""
        self.file.truncate(self._end(rows))
        self.rows = rows

    def append(self, block: Array) -> None:
        """Write further rows, (n, *shape) of its dtype; they are on the disk when this returns."""
        if block.dtype != self.dtype or block.shape[1:] != self.shape:
            expected = f"{self.dtype} (n, {', '.join(map(str, self.shape))})"
            raise ValueError(f"{self.path.name}: rows are {block.dtype} {block.shape}, expected {expected}")
        self._write(self._end(self.rows), np.ascontiguousarray(block).tobytes())
        self.rows += len(block)

    def finish(self) -> Array:
        """Complete the header and return the rows as a read-only memory map."""
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
