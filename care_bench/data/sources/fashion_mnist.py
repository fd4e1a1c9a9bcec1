"""Fashion-MNIST: 70,000 grey 28 px pictures of clothes, shoes and bags (Xiao, Rasul and Vollgraf 2017)."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np

from care_bench.data.preparing.originals import Download, Originals
from care_bench.data.source import Built, DatasetInfo, Raw, SplitArrays
from care_bench.errors import CareBenchError
from care_bench.untrusted import is_damage, read_bytes, reason

SIZES = {"train": 60_000, "test": 10_000}
MD5 = {  # of the unpacked content: Debian's package dataset-fashion-mnist has packed it again
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
PAGE = "https://github.com/zalandoresearch/fashion-mnist"
FOLDER = "FashionMNIST/raw"  # where torchvision keeps it
HOW_TO_GET = (
    f"downloaded from {PAGE}; without a network, put {', '.join(f'{file}.gz' for file in MD5)} into {FOLDER} "
    "of the folder of raw data (Debian's package dataset-fashion-mnist has them in /usr/share/datasets/fashion-mnist)"
)
SOURCE = f"Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), {PAGE}"
LICENCE = "MIT"
SPLIT_RULE = "the authors' train and t10k files"


def read(raw: Raw, name: str) -> tuple[SplitArrays, SplitArrays]:
    """Read the grey images as published.

    Args:
        raw: the folder of raw data has the four files, packed or not; missing ones are downloaded.
        name: the data set that needs them, for messages.

    Returns:
        train and test: images uint8 (n, 1, 28, 28), label ``class``.

    Raises:
        CareBenchError: a file is damaged, or missing and cannot be downloaded.
    """
    from torchvision.datasets import FashionMNIST

    originals = Originals(name, PAGE, raw)
    server = FashionMNIST.mirrors[0]
    packed = [Download(f"{FOLDER}/{file}", f"{server}{file}", md5) for file, md5 in FashionMNIST.resources]
    originals.fetch(file for file in packed if _place(originals, Path(file.path).stem) is None)
    content = {file: _content(originals, file, md5) for file, md5 in MD5.items()}
    splits = []
    for split, stem in (("train", "train"), ("test", "t10k")):
        images = np.frombuffer(content[f"{stem}-images-idx3-ubyte"], dtype=np.uint8, offset=16).reshape(-1, 1, 28, 28)
        classes = np.frombuffer(content[f"{stem}-labels-idx1-ubyte"], dtype=np.uint8, offset=8).astype(np.int64)
        originals.expect(f"{split} images", len(images), SIZES[split])
        originals.expect(f"{split} labels", len(classes), SIZES[split])
        splits.append(SplitArrays(images, {"class": classes}))
    train, test = splits
    return train, test


def build(raw: Raw) -> Built:
    """Build Fashion-MNIST: images uint8 (n, 1, 28, 28), label ``class``; errors as :func:`read`."""
    train, test = read(raw, "fashion_mnist")
    return Built(train, test, "grey images, 28x28, 0..255", source=SOURCE, licence=LICENCE, split_rule=SPLIT_RULE)


def _place(originals: Originals, file: str) -> Path | None:
    for path in (f"{FOLDER}/{file}", f"{FOLDER}/{file}.gz"):
        if originals.has(path, md5=None):
            return originals.raw.folder / path
    return None


def _content(originals: Originals, file: str, md5: str) -> bytes:
    place = _place(originals, file) or originals.raw.folder / FOLDER / file
    content = read_bytes(place, f"expected a file of {PAGE}")
    try:
        if place.suffix == ".gz":
            content = gzip.decompress(content)
    except Exception as error:  # damaged files raise several kinds
        if is_damage(error):
            raise originals.damaged(place, f"not a whole gzip file ({error})") from error
        raise CareBenchError(f"{reason(place, error)}; expected a file of {PAGE}") from error
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise originals.damaged(place, f"{len(content)} bytes with md5 {found} when unpacked, expected md5 {md5}")
    return content


INFO = DatasetInfo(
    name="fashion_mnist",
    kind="image",
    title="Fashion-MNIST",
    how_to_get=HOW_TO_GET,
    labels=("class",),
    build=build,
)
