"""Statistics and checks of whole arrays, block by block, since they may be larger than memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from care_bench.data.source import Array

BLOCK = 1 << 24  # elements per block


def channel_statistics(images: Array) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation (ddof 0) of every channel, with 255 counted as 1.

    The sums are integers, so the result does not depend on the order of summing or on the machine.

    Args:
        images: uint8 (n, C, H, W).
    """
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)
    for _, block in _blocks(images):
        counts += [np.bincount(block[:, channel].ravel(), minlength=256) for channel in range(images.shape[1])]
    mean, std = [], []
    for histogram in counts.tolist():
        n = sum(histogram)
        total = sum(value * count for value, count in enumerate(histogram))
        squares = sum(value * value * count for value, count in enumerate(histogram))
        mean.append(total / (255 * n))
        std.append(math.sqrt((n * squares - total * total) / (255 * n) ** 2))
    return mean, std


def first_not_finite(array: Array) -> tuple[int, ...] | None:
    """Return the index of the first NaN or infinity of a float array in C order, or None."""
    for start, block in _blocks(array):
        bad = ~np.isfinite(block)
        if bad.any():
            first, *rest = np.unravel_index(int(bad.argmax()), bad.shape)
            return (start + int(first), *map(int, rest))
    return None


def _blocks(array: Array) -> Iterator[tuple[int, Array]]:
    rows = max(1, BLOCK // math.prod(array.shape[1:]))
    for start in range(0, len(array), rows):
        yield start, array[start : start + rows]
