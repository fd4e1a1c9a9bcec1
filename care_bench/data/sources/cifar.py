"""CIFAR-10 and CIFAR-100: 60,000 small colour photographs of 10 or 100 classes (Krizhevsky 2009)."""

from __future__ import annotations

from functools import partial

import numpy as np

from care_bench.data.preparing.originals import Download, Originals
from care_bench.data.source import Built, DatasetInfo, Raw, SplitArrays
from care_bench.untrusted import decoding

SIZES = {"train": 50_000, "test": 10_000}
PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"


def build(raw: Raw, name: str) -> Built:
    """Build one of the two: images uint8 (n, 3, 32, 32), label ``class`` (the fine one of CIFAR-100).

    Args:
        raw: the folder of raw data has the batches or their archive; otherwise the archive is downloaded.
        name: ``cifar10`` or ``cifar100``.

    Raises:
        CareBenchError: a file is damaged, or missing and cannot be downloaded.
    """
    from torchvision import datasets

    reader = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    originals = Originals(name, PAGE, raw)
    batches = [*reader.train_list, *reader.test_list, (reader.meta["filename"], reader.meta["md5"])]
    root = originals.unpacked(
        Download(reader.filename, reader.url, reader.tgz_md5),
        {f"{reader.base_folder}/{file}": md5 for file, md5 in batches},
    )
    splits = {}
    for split, size in SIZES.items():
        with decoding(root / reader.base_folder, f"expected the batches of {PAGE}"):
            batch = reader(root, train=split == "train")
        originals.expect(f"{split} images", len(batch.data), size)
        classes = np.array(batch.targets, dtype=np.int64)
        splits[split] = SplitArrays(batch.data.transpose(0, 3, 1, 2), {"class": classes})
    return Built(
        train=splits["train"],
        test=splits["test"],
        inputs="RGB images, 32x32, 0..255",
        source=f"{name.upper()} (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images), {PAGE}",
        licence="not stated by its authors",
        split_rule="the authors' train and test batches",
    )


CIFAR10, CIFAR100 = (
    DatasetInfo(
        name=f"cifar{classes}",
        kind="image",
        title=f"CIFAR{classes}",
        how_to_get=(
            f"downloaded from {PAGE}; without a network, put cifar-{classes}-python.tar.gz into the folder of raw data"
        ),
        labels=("class",),
        build=partial(build, name=f"cifar{classes}"),
    )
    for classes in (10, 100)
)
