"""Handwritten digits: the 1,797 real 8x8 scans that scikit-learn ships.

The source lists writers in order and keeps no writer label, so the split is sequential: a random one would put the same
hand on both sides. At most the one writer at the cut is on both sides here.
"""

from __future__ import annotations

import numpy as np

from care_bench.data.source import Array, Built, DatasetInfo, Raw, SplitArrays

TRAIN_SIZE = 1437  # four fifths of 1797
SOURCE = (
    "Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998, UCI Machine Learning Repository), "
    "test part, as shipped by scikit-learn"
)
LICENCE = "CC BY 4.0"
SPLIT_RULE = f"the first {TRAIN_SIZE} images train, the rest test: the source lists writers in order"


def digit_images() -> tuple[Array, Array]:
    """Read the digits in the source's order.

    Returns:
        images uint8 (1797, 1, 8, 8), the source's 0..16 spread over 0..255; classes int64 (1797,), 0..9.
    """
    from sklearn.datasets import load_digits  # imported here: it is slow, and only building needs it

    bunch = load_digits()
    images = np.round(bunch.images * 255 / 16).astype(np.uint8)
    return images[:, None], bunch.target.astype(np.int64)


def build(raw: Raw) -> Built:
    """Build the grey digits: images uint8 (n, 1, 8, 8), label ``class``."""
    images, classes = digit_images()
    cut = TRAIN_SIZE
    return Built(
        train=SplitArrays(images[:cut], {"class": classes[:cut]}),
        test=SplitArrays(images[cut:], {"class": classes[cut:]}),
        inputs="grey images, 8x8, 0..255",
        source=SOURCE,
        licence=LICENCE,
        split_rule=SPLIT_RULE,
    )


INFO = DatasetInfo(
    name="digits",
    kind="image",
    title="Digits 8x8",
    how_to_get="nothing to fetch: scikit-learn ships it",
    labels=("class",),
    build=build,
)
