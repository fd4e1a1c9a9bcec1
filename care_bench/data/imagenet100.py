"""ImageNet100: 100 classes of ILSVRC2012 at 256 x 256 pixels, from the user's copy of ImageNet."""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import dataclass
from importlib import resources

from care_bench.data.conversion import convert
from care_bench.data.imagenet_files import FORMS, ImageFile, train_images, validation_images
from care_bench.data.photographs import COLUMNS, INPUTS, decode, finish, maker, splits
from care_bench.data.rows import open_rows
from care_bench.data.source import Array, Built, DatasetInfo, Raw
from care_bench.errors import CareBenchError

CLASSES = 100
ASSET = "imagenet100_synsets.txt"


@dataclass(frozen=True)
class Counts:
    """How many images there have to be.

    Attributes:
        train: fewest and most training images of a class.
        train_total: training images in all.
        validation: validation images of every class.
    """

    train: tuple[int, int]
    train_total: int
    validation: int


COUNTS = Counts((732, 1300), 126_689, 50)
"""ILSVRC2012 as its development kit describes it; the total is that of the data set clane9/imagenet-100 on Hugging
Face, which is made of the same classes, those of Contrastive Multiview Coding (github.com/HobbitLong/CMC)."""


def synsets() -> list[str]:
    """Return the WordNet ids of the classes, sorted; the index in this list is the class."""
    asset = resources.files("care_bench.data") / "assets" / ASSET
    try:
        found = asset.read_text().split()
    except OSError as error:
        raise CareBenchError(f"cannot read {asset}: {error.strerror}; install care-bench again") from error
    if len(set(found)) != CLASSES or not all(re.fullmatch(r"n\d{8}", synset) for synset in found):
        raise CareBenchError(f"{asset} does not hold {CLASSES} distinct WordNet ids; install care-bench again")
    return sorted(found)


def build(raw: Raw) -> Built:
    """Build the images: uint8 (n, 3, 256, 256), label ``class``.

    The shorter side is scaled to 256 pixels (bilinear, antialiased), and the square in the middle is kept.

    Raises:
        CareBenchError: images are missing or cannot be read, or the disk has no room for them.
    """
    names = synsets()
    files = train_images(raw.folder, names) + validation_images(raw.folder, names)
    _check_counts(files, names)
    inputs = [f"{file.side}/{file.synset}/{file.name} {file.size}" for file in files]
    with open_rows(raw.workspace, maker("imagenet100", INFO.version), inputs, COLUMNS) as rows:
        rows.reserve({f"{side}_inputs": n for side, n in Counter(file.side for file in files).items()})
        convert(rows, files, read, "imagenet100: images", raw.skip_broken)
        broken = set(rows.broken)
        images = finish(rows, [file.side for file in files])
    kept = [file for index, file in enumerate(files) if index not in broken]
    index = {name: index for index, name in enumerate(names)}
    classes = {side: [index[file.synset] for file in kept if file.side == side] for side in ("train", "test")}
    train, test = splits(images, classes)
    return Built(
        train=train,
        test=test,
        inputs=f"{INPUTS}; class: index in the sorted list of the {CLASSES} WordNet ids",
        source="ImageNet Large Scale Visual Recognition Challenge 2012 (Russakovsky et al. 2015), 100 of its classes",
        licence="ImageNet terms of access: non-commercial research and education",
        split_rule="the challenge's training images train, its validation images test",
        skipped=tuple(f"{files[index].synset}/{files[index].name}" for index in sorted(broken)),
    )


def read(file: ImageFile) -> dict[str, Array]:
    """Decode one image to uint8 (1, 3, 256, 256), in the column of its side."""
    return {f"{file.side}_inputs": decode(io.BytesIO(file.read_bytes()))}


def _check_counts(files: list[ImageFile], names: list[str]) -> None:
    """Compare the number of images of every class, and of all, with what ImageNet has."""
    found = Counter((file.side, file.synset) for file in files)
    for side, what, (low, high) in (
        ("train", "training", COUNTS.train),
        ("test", "validation", (COUNTS.validation, COUNTS.validation)),
    ):
        for name in names:
            if not low <= found[side, name] <= high:
                number = f"{low} to {high}" if low < high else f"{low}"
                raise CareBenchError(f"{found[side, name]} {what} images of {name}, expected {number}, from {FORMS}")
    total = sum(found["train", name] for name in names)
    if total != COUNTS.train_total:
        raise CareBenchError(f"{total} training images of {len(names)} classes, expected {COUNTS.train_total}")


INFO = DatasetInfo(
    name="imagenet100",
    kind="image",
    title="ImageNet100",
    how_to_get=f"ILSVRC2012 from image-net.org, after registration: put {FORMS} in the folder of raw data",
    labels=("class",),
    build=build,
)
