"""Fashion-MNIST in a known colour, which is a label."""

from __future__ import annotations

from care_bench.data.preparing.tints import TINT_RANGE, tinted_split
from care_bench.data.source import Built, DatasetInfo, Raw
from care_bench.data.sources.fashion_mnist import HOW_TO_GET, LICENCE, SOURCE, SPLIT_RULE, read


def build(raw: Raw) -> Built:
    """Build the tinted images: uint8 (n, 3, 28, 28), labels ``class`` and ``tint`` (n, 3) float32.

    Image ``i`` of train then test has ``tint(i)``.

    Raises:
        CareBenchError: a file is damaged, or missing and cannot be downloaded.
    """
    train, test = read(raw, "tinted_fashion_mnist")
    return Built(
        train=tinted_split(train, first=0),
        test=tinted_split(test, first=len(train.inputs)),
        inputs="RGB images, 28x28, 0..255: a grey image times its tint, three factors in [{}, {}]".format(*TINT_RANGE),
        source=f"{SOURCE}; the colours are drawn here, from the image's index in train then test",
        licence=LICENCE,
        split_rule=SPLIT_RULE,
    )


INFO = DatasetInfo(
    name="tinted_fashion_mnist",
    kind="image",
    title="Tinted Fashion-MNIST",
    how_to_get=HOW_TO_GET,
    labels=("class", "tint"),
    build=build,
)
