"""A toy: images of noise in two classes."""

from __future__ import annotations

import numpy as np

from care_bench.data.source import Built, DatasetInfo, Raw, SplitArrays


def build(raw: Raw) -> Built:
    """Build the images: uint8 (n, 1, 8, 8), label ``class``."""
    generator = np.random.default_rng(0)
    classes = np.arange(600) % 2
    images = generator.integers(0, 128, (600, 1, 8, 8)) + 100 * classes[:, None, None, None]
    train, test = (
        SplitArrays(images[part].astype(np.uint8), {"class": classes[part].astype(np.int64)})
        for part in (slice(500), slice(500, None))
    )
    return Built(train, test, "noise, 8x8", source="drawn here", licence="MIT", split_rule="the first 500 train")


INFO = DatasetInfo(
    name="toy", kind="image", title="Toy", how_to_get="nothing to fetch: drawn here", labels=("class",), build=build
)
