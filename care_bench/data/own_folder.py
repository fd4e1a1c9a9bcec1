"""Which images of a user's folder are read, with their splits and classes, and what is not read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from care_bench.errors import CareBenchError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
OTHERS = (".avif", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jxl", ".pbm", ".pgm", ".ppm", ".tga", ".tif", ".tiff")
"""Suffixes of images in other formats, which are counted and not read."""
TRAIN, TEST = ("train", "training"), ("test", "testing", "val", "valid", "validation", "dev", "eval")
"""Folders of the splits, in any case; the first of each that is there is read."""
SHOWN = 5
"""Most names in a line."""


@dataclass(frozen=True)
class FoundImage:
    """An image that is to be read.

    Attributes:
        path: its file.
        part: its split; None where the folder has none.
        label: its class; None where there are no class folders.
    """

    path: Path
    part: str | None
    label: int | None


@dataclass(frozen=True)
class FoundImages:
    """What a folder holds.

    Attributes:
        images: in the order of their names.
        classes: names of the class folders; empty where there are none.
        unread: lines on images that are not read: in other formats, or in folders where none are expected.
    """

    images: list[FoundImage]
    classes: tuple[str, ...]
    unread: tuple[str, ...]


def find_images(folder: Path) -> FoundImages:
    """Find the images of a folder.

    Raises:
        CareBenchError: no images, a split among classes or alone, images beside class folders, or splits of other
            classes.
    """
    inner = {path.name.lower(): path for path in _entries(folder) if path.is_dir()}
    trains, tests = ([inner[name] for name in names if name in inner] for names in (TRAIN, TEST))
    splits: dict[str | None, Path] = {None: folder}
    if trains and tests:
        splits = {"train": trains[0], "test": tests[0]}
    classes: dict[str | None, tuple[str, ...]] = {}
    found: list[FoundImage] = []
    links: list[Path] = []
    for part, path in splits.items():
        entries = _entries(path)
        flat = [entry for entry in entries if entry.suffix.lower() in SUFFIXES and not entry.is_dir()]
        inside = {entry.name: images for entry in entries if entry.is_dir() and (images := _images(entry))}
        if flat and inside:
            raise CareBenchError(
                f"{path}: holds {len(flat)} images beside {len(inside)} folders of images; expected one of the two"
            )
        classes[part] = tuple(inside)
        links += [entry for entry in (path, *entries) if entry.is_symlink() and entry.is_dir()]
        found += [FoundImage(image, part, None) for image in flat]
        found += [FoundImage(image, part, label) for label, images in enumerate(inside.values()) for image in images]
    names = next(iter(classes.values()))
    parts = [path.name for path in (*trains, *tests)]
    if None in splits and parts and (set(names) & set(parts) or (not names and not found)):
        other = "train" if tests else "test or val"
        raise CareBenchError(
            f"{folder}: holds the split {' and '.join(parts)} without {other}; expected both, or --dataset "
            f"{folder / parts[0]}, of which every second image is then a test image, or another name for a class"
        )
    unread = _unread(folder, {image.path for image in found}, links)
    if not found:
        expected = f"expected files that end in {', '.join(SUFFIXES)}"
        raise CareBenchError(f"{folder}: {'; '.join(('no images', *unread, expected))}")
    if len(set(classes.values())) > 1:
        one_sided = sorted(set(classes["train"]) ^ set(classes["test"]))
        raise CareBenchError(
            f"{folder}: class {one_sided[0]!r} is in one split only; expected the same class folders in both"
        )
    return FoundImages(found, names, unread)


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise CareBenchError(f"cannot read {folder}: {error.strerror}; expected a folder of images") from None


def _images(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.suffix.lower() in SUFFIXES]


def _unread(folder: Path, read: Collection[Path], links: Sequence[Path]) -> tuple[str, ...]:
    """Return lines on the images below a folder, and below links in it, that are not read."""
    suffixes: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for root in (folder, *links):
        for place, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in names:
                path = Path(place, name)
                if path.suffix.lower() in OTHERS and not name.startswith("."):
                    suffixes[path.suffix.lower()] += 1
                elif path.suffix.lower() in SUFFIXES and not name.startswith(".") and path not in read:
                    places[path.parent.relative_to(folder).as_posix()] += 1
    lines = []
    if suffixes:
        lines.append(f"{suffixes.total()} files with other suffixes ({', '.join(sorted(suffixes))}) are not read")
    if places:
        lines.append(f"{places.total()} images in other folders ({listed(sorted(places))}) are not read")
    return tuple(lines)
