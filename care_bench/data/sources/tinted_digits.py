"""Digits in a known colour, which is a label: it shows how much of the colour an encoder keeps."""

from __future__ import annotations

from care_bench.data.preparing.tints import TINT_RANGE, tinted_split
from care_bench.data.source import Built, DatasetInfo, Raw
from care_bench.data.sources.digits import LICENCE, SOURCE, SPLIT_RULE, read


def build(raw: Raw) -> Built:
    """Build the tinted digits: images uint8 (n, 3, 8, 8), labels ``class`` and ``tint`` (n, 3) float32.

    Image ``i`` of train then test has ``tint(i)``.
    """
    train, test = read()
    return Built(
        train=tinted_split(train, first=0),
        test=tinted_split(test, first=len(train.inputs)),
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
