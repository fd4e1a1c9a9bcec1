"""Writing .npy files, which may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from care_bench.data.source import Array
from care_bench.files import write_atomic
from care_bench.untrusted import open_regular


def write_npy(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...], blocks: Iterable[Array]) -> Array:
    """Write an array atomically, block by block, in the bytes in which ``np.save`` writes it.

    ``np.save`` itself leaves a short file behind, without an error, when the disk fills up on its last few kilobytes.

    Args:
        path: the file to make or replace.
        dtype: of the array.
        shape: of the whole array.
        blocks: its rows in order, (n, ...) each.

    Returns:
        The array as a read-only memory map.

    Raises:
        CareBenchError: the folder cannot be written or is full.
    """
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}  # type: ignore[no-untyped-call]

    def write(file: BinaryIO) -> None:
        np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).tobytes())

    write_atomic(path, write)
    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def map_npy(path: Path) -> Array:
    """Return the array of a .npy file as a read-only memory map.

    Raises:
        OSError: it cannot be opened or is not a regular file.
        Exception: it is damaged; numpy raises several kinds.
    """
    with open_regular(path):
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
