"""ImageNet100: 100 classes of ILSVRC2012 at 256 x 256 pixels, from the user's copy of ImageNet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from care_bench.data.preparing.imagenet_files import FORMS, class_files, train_images, validation_images
from care_bench.data.preparing.photographs import INPUTS, Photograph, build_splits
from care_bench.data.source import Built, DatasetInfo, Raw
from care_bench.errors import CareBenchError

CLASSES = 100
ASSET = "imagenet100_synsets.txt"


@dataclass(frozen=True)
class Counts:
    """Expected numbers of images.

    Attributes:
        train: fewest and most training images of a class.
        train_total: training images in all.
        validation: validation images of every class.
    """

    train: tuple[int, int]
    train_total: int
    validation: int


COUNTS = Counts((732, 1300), 126_689, 50)
"""ILSVRC2012 as its development kit describes it. The total is from the data set clane9/imagenet-100 on Hugging
Face. Both have the classes of Contrastive Multiview Coding (github.com/HobbitLong/CMC)."""


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
    photographs = train_images(raw.folder, names) + validation_images(raw.folder, names)
    _check_names(photographs, names)
    _check_counts(photographs, names)
    train, test, skipped = build_splits(raw, "imagenet100", INFO.version, photographs)
    return Built(
        train=train,
        test=test,
        inputs=f"{INPUTS}; class: index in the sorted list of the {CLASSES} WordNet ids",
        source="ImageNet Large Scale Visual Recognition Challenge 2012 (Russakovsky et al. 2015), 100 of its classes",
        licence="ImageNet terms of access: non-commercial research and education",
        split_rule="the challenge's training images train, its validation images test",
        skipped=skipped,
    )


def originals(raw: Path) -> dict[str, Path]:
    """Return the images in a folder of raw data by name, where they are unpacked."""
    return class_files(raw, synsets())


def _check_names(photographs: Sequence[Photograph], names: Sequence[str]) -> None:
    """Refuse an image that is there twice, which hides in the counts one that is missing, and one in a foreign class.

    The name of a training image starts with the WordNet id of its class.
    """
    seen: dict[tuple[str, str], Photograph] = {}
    for photo in photographs:
        file = Path(photo.name).name
        if (other := seen.setdefault((photo.split, file), photo)) is not photo:
            raise CareBenchError(f"{file} is there twice: as {other.path} and as {photo.path}; expected it once")
        if photo.split == "train" and (synset := re.match(r"n\d{8}(?=_)", file)) and synset[0] != names[photo.label]:
            raise CareBenchError(f"{photo} is among the images of {names[photo.label]}; expected it in {synset[0]}")


def _check_counts(photographs: Sequence[Photograph], names: Sequence[str]) -> None:
    """Compare the number of images of every class, and of all classes, with ImageNet's."""
    found = Counter((photo.split, photo.label) for photo in photographs)
    for split, what, (low, high) in (
        ("train", "training", COUNTS.train),
        ("test", "validation", (COUNTS.validation, COUNTS.validation)),
    ):
        for label, name in enumerate(names):
            if not low <= found[split, label] <= high:
                number = f"{low} to {high}" if low < high else f"{low}"
                raise CareBenchError(f"{found[split, label]} {what} images of {name}, expected {number}, from {FORMS}")
    total = sum(photo.split == "train" for photo in photographs)
    if total != COUNTS.train_total:
        raise CareBenchError(f"{total} training images of {len(names)} classes, expected {COUNTS.train_total}")


INFO = DatasetInfo(
    name="imagenet100",
    kind="image",
    title="ImageNet100",
    how_to_get=f"ILSVRC2012 from image-net.org, after registration: put {FORMS} in the folder of raw data",
    labels=("class",),
    build=build,
    originals=originals,
)
