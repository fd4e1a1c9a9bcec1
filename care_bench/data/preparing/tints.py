"""Known colours: every image of a tinted data set is labelled with the colour factors that made it."""

from __future__ import annotations

import numpy as np

from care_bench.data.source import Array, SplitArrays

TINT_RANGE = (0.3, 1.0)
BLOCK = 1_000  # images per block, whose products are float64


def tint(index: int) -> Array:
    """Draw the colour of image ``index``, from the index alone.

    The three uniform numbers are made from Philox's raw 64-bit output, which numpy promises never to change. Its
    distributions may change between versions.

    Args:
        index: place of the image in the source, from 0.

    Returns:
        (3,) float32, the factors of red, green and blue, independent and uniform in ``TINT_RANGE``.
    """
    raw = np.random.Philox(np.random.SeedSequence(index)).random_raw(3)
    uniform = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
    low, high = TINT_RANGE
    return (low + (high - low) * uniform).astype(np.float32)


def tinted(images: Array, tints: Array) -> Array:
    """Colour grey images: pixel (c, y, x) is the grey one times ``tints[:, c]``, rounded half to even.

    Args:
        images: uint8 (n, 1, H, W).
        tints: float32 (n, 3), in [0, 1].

    Returns:
        uint8 (n, 3, H, W).
    """
    return np.rint(images * tints.astype(np.float64)[:, :, None, None]).astype(np.uint8)


def tinted_split(grey: SplitArrays, first: int) -> SplitArrays:
    """Colour a split of grey images, and add the label ``tint`` (n, 3) float32.

    Args:
        grey: inputs uint8 (n, 1, H, W).
        first: place of its first image in the source.
    """
    tints = np.stack([tint(first + index) for index in range(len(grey.inputs))])
    images: Array = np.empty((len(tints), 3, *grey.inputs.shape[2:]), dtype=np.uint8)
    for start in range(0, len(tints), BLOCK):
        block = slice(start, start + BLOCK)
        images[block] = tinted(grey.inputs[block], tints[block])
    return SplitArrays(images, {**grey.labels, "tint": tints})
