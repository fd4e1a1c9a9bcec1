"""Fashion-MNIST in a colour that is known: every image carries the factor that made it."""

from __future__ import annotations

import numpy as np

from care_bench.data.fashion_mnist import HOW_TO_GET, LICENCE, SOURCE, SPLIT_RULE, read
from care_bench.data.source import Array, Built, DatasetInfo, Raw, SplitArrays
from care_bench.data.tinted_digits import TINT_RANGE, tint, tinted

BLOCK = 1_000  # images coloured together: the products are float64


def build(raw: Raw) -> Built:
    """Build the tinted images: uint8 (n, 3, 28, 28), labels ``class`` and ``tint`` (n, 3) float32.

    Image ``i`` of train then test has ``tint(i)``.

    Raises:
        CareBenchError: a file is damaged, or missing and cannot be downloaded.
    """
    train, test = read(raw, "tinted_fashion_mnist")
    return Built(
        train=_coloured(train, first=0),
        test=_coloured(test, first=len(train.inputs)),
        inputs="RGB images, 28x28, 0..255: a grey image times its tint, three factors in [{}, {}]".format(*TINT_RANGE),
        source=f"{SOURCE}; the colours are drawn here, from the image's index in train then test",
        licence=LICENCE,
        split_rule=SPLIT_RULE,
    )


def _coloured(grey: SplitArrays, first: int) -> SplitArrays:
    tints = np.stack([tint(first + index) for index in range(len(grey.inputs))])
    images: Array = np.empty((len(tints), 3, *grey.inputs.shape[2:]), dtype=np.uint8)
    for start in range(0, len(tints), BLOCK):
        block = slice(start, start + BLOCK)
        images[block] = tinted(grey.inputs[block], tints[block])
    return SplitArrays(images, {**grey.labels, "tint": tints})


INFO = DatasetInfo(
    name="tinted_fashion_mnist",
    kind="image",
    title="Tinted Fashion-MNIST",
    how_to_get=HOW_TO_GET,
    labels=("class", "tint"),
    build=build,
)
