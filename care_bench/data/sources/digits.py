"""Handwritten digits: the 1,797 real 8x8 scans that scikit-learn ships.

The source lists writers in order and does not say which writer an image is from. So the split is sequential: a random
one would put the same hand into both splits. Here at most one writer, the one at the cut, is in both.
"""

from __future__ import annotations

import numpy as np

from care_bench.data.source import Built, DatasetInfo, Raw, SplitArrays

TRAIN_SIZE = 1437  # four fifths of 1797
SOURCE = (
    "Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998, UCI Machine Learning Repository), "
    "test part, as shipped by scikit-learn"
)
LICENCE = "CC BY 4.0"
SPLIT_RULE = f"the first {TRAIN_SIZE} images train, the rest test: the source lists writers in order"


def read() -> tuple[SplitArrays, SplitArrays]:
    """Read the grey digits in the source's order.

    Returns:
        train and test: images uint8 (n, 1, 8, 8), the source's 0..16 spread over 0..255; label ``class`` int64, 0..9.
    """
    from sklearn.datasets import load_digits  # imported here: it is slow, and only building needs it

    bunch = load_digits()
    images = np.round(bunch.images * 255 / 16).astype(np.uint8)[:, None]
    classes = bunch.target.astype(np.int64)
    cut = TRAIN_SIZE
    return SplitArrays(images[:cut], {"class": classes[:cut]}), SplitArrays(images[cut:], {"class": classes[cut:]})


def build(raw: Raw) -> Built:
    """Build the grey digits: images uint8 (n, 1, 8, 8), label ``class``."""
    train, test = read()
    return Built(train, test, "grey images, 8x8, 0..255", source=SOURCE, licence=LICENCE, split_rule=SPLIT_RULE)


INFO = DatasetInfo(
    name="digits",
    kind="image",
    title="Digits 8x8",
    how_to_get="nothing to fetch: scikit-learn ships it",
    labels=("class",),
    build=build,
)
