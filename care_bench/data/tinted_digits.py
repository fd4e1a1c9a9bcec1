"""Digits in a colour that is known: every image carries the factor that made it, to measure what an encoder keeps."""

from __future__ import annotations

import numpy as np

from care_bench.data.digits import LICENCE, SOURCE, SPLIT_RULE, TRAIN_SIZE, digit_images
from care_bench.data.source import Array, Built, DatasetInfo, Raw, SplitArrays

TINT_RANGE = (0.3, 1.0)


def tint(index: int) -> Array:
    """Draw the colour of image ``index``, from the index alone.

    The three uniform numbers are made from Philox's raw 64-bit output, which numpy promises never to change (its
    distributions it may), so the colour is the same whatever is drawn before it, and with every numpy.

    Args:
        index: the image's place in the source, from 0.

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


def build(raw: Raw) -> Built:
    """Build the tinted digits: images uint8 (n, 3, 8, 8), labels ``class`` and ``tint`` (n, 3) float32."""
    grey, classes = digit_images()
    tints = np.stack([tint(index) for index in range(len(grey))])
    images = tinted(grey, tints)
    cut = TRAIN_SIZE
    return Built(
        train=SplitArrays(images[:cut], {"class": classes[:cut], "tint": tints[:cut]}),
        test=SplitArrays(images[cut:], {"class": classes[cut:], "tint": tints[cut:]}),
        inputs="RGB images, 8x8, 0..255: a grey digit times its tint, three factors in [{}, {}]".format(*TINT_RANGE),
        source=f"{SOURCE}; the colours are drawn here, from the image's index",
        licence=LICENCE,
        split_rule=SPLIT_RULE,
    )


INFO = DatasetInfo(
    name="tinted_digits",
    kind="image",
    title="Tinted digits 8x8",
    how_to_get="nothing to fetch: made from the digits scikit-learn ships",
    labels=("class", "tint"),
    build=build,
)
