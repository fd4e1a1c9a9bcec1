"""Images of a user's folder as squares of one size."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from care_bench.data.load import Split
from care_bench.data.source import Array
from care_bench.errors import CareBenchError
from care_bench.progress import progress
from care_bench.untrusted import open_regular

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")
MOST_PIXELS = 256
"""Largest side of the squares: as many pixels as the shortest side of all images has, and at most this many."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")  # decoders in Pillow itself, that start no program
THREADS = 8
"""Decoders at a time: reading and decoding leave Python's lock alone."""


@dataclass(frozen=True)
class Folder:
    """The images of a folder, and those that were left out."""

    train: Split
    test: Split | None
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    path: Path
    part: str
    label: int | None


def read_folder(folder: Path, most: int | None, skip_broken: bool) -> Folder:
    """Read images, scale their shorter side to the size that all can have, and cut out the middle.

    Args:
        folder: with images, class folders, or `train` and `test` (or `val`) folders of either.
        most: most images of each split that are read, evenly spaced; None for all.
        skip_broken: leave out what cannot be read.

    Returns:
        Images uint8 (n, C, side, side), C = 1 if all are grey, else 3; label `class` where there are class folders,
        numbered in the order of their names. Without folders for splits, all are in ``train``.

    Raises:
        CareBenchError: no images, images beside class folders, splits of other classes, or an unreadable image.
    """
    found, classes = _find(folder)
    chosen = [one for part in ("train", "test") for one in _few([one for one in found if one.part == part], most)]
    squares = _Squares(chosen)
    if squares.broken and not skip_broken:
        path, why = next(iter(squares.broken.items()))
        raise CareBenchError(
            f"{path}: {why}; {len(squares.broken)} of {len(chosen)} images cannot be read; expected JPEG, PNG, BMP or "
            "WebP, or --skip-broken to leave them out"
        )
    if not squares.kept:
        raise CareBenchError(f"{folder}: none of its {len(chosen)} images can be read")
    train, test = (squares.split(part, bool(classes)) for part in ("train", "test"))
    return Folder(train, test if len(test) else None, tuple(sorted(path.name for path in squares.broken)))


class _Squares:
    """Decoded images of one size.

    Attributes:
        kept: the images that could be read.
        broken: why the others could not.
        pixels: uint8 (n, C, side, side) of those kept.
    """

    def __init__(self, found: Sequence[_Found]) -> None:
        self.broken: dict[Path, str] = {}
        sizes = self._over(found, _size, "images: sizes")
        readable = [one for one in found if one.path in sizes]
        side = min([MOST_PIXELS, *(size for size, _ in sizes.values())])
        grey = all(is_grey for _, is_grey in sizes.values())
        decoded = self._over(readable, lambda path: _square(path, side, grey), "images: decoded")
        self.kept = [one for one in readable if one.path in decoded]
        self.pixels = np.stack([decoded[one.path] for one in self.kept]) if self.kept else None

    def split(self, part: str, labelled: bool) -> Split:
        """Return the images of a split, with label `class` if there are classes."""
        assert self.pixels is not None
        rows = [row for row, one in enumerate(self.kept) if one.part == part]
        labels = np.array([self.kept[row].label for row in rows if labelled], dtype=np.int64)
        return Split(self.pixels[rows], {"class": labels} if labelled else {})

    def _over(self, found: Sequence[_Found], work: Callable[[Path], T], title: str) -> dict[Path, T]:
        """Work on every image, several at a time; those that cannot be read are noted as broken."""

        def attempt(one: _Found) -> T | _Broken:
            try:
                return work(one.path)
            except Exception as error:  # decoders of damaged bytes raise anything
                return _Broken(" ".join(str(error).split()) or type(error).__name__)

        done: dict[Path, T] = {}
        with ThreadPoolExecutor(THREADS) as pool, progress(title, len(found)) as advance:
            for number, (one, result) in enumerate(zip(found, pool.map(attempt, found), strict=True), start=1):
                if isinstance(result, _Broken):
                    self.broken[one.path] = result
                else:
                    done[one.path] = result
                advance(number, "")
        return done


class _Broken(str):
    """Why an image cannot be read."""


def _find(folder: Path) -> tuple[list[_Found], tuple[str, ...]]:
    """Return the images in the order of their names, and the classes."""
    inner = {path.name.lower(): path for path in _entries(folder) if path.is_dir()}
    test = inner.get("test", inner.get("val", inner.get("validation")))
    splits = {"train": inner["train"], "test": test} if "train" in inner and test else {"train": folder}
    classes: dict[str, tuple[str, ...]] = {}
    found: list[_Found] = []
    for part, path in splits.items():
        entries = _entries(path)
        flat = [entry for entry in entries if entry.suffix.lower() in SUFFIXES and not entry.is_dir()]
        inside = {entry.name: images for entry in entries if entry.is_dir() and (images := _images(entry))}
        if flat and inside:
            raise CareBenchError(
                f"{path}: holds {len(flat)} images beside {len(inside)} folders of images; expected one of the two"
            )
        classes[part] = tuple(inside)
        found += [_Found(image, part, None) for image in flat]
        found += [_Found(image, part, label) for label, images in enumerate(inside.values()) for image in images]
    if not found:
        raise CareBenchError(f"{folder}: no images; expected files that end in {', '.join(SUFFIXES)}")
    if len(set(classes.values())) > 1:
        other = sorted(set(classes["train"]) ^ set(classes["test"]))
        raise CareBenchError(
            f"{folder}: class {other[0]!r} is in one split only; expected the same class folders in both"
        )
    return found, classes["train"]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise CareBenchError(f"cannot read {folder}: {error.strerror}; expected a folder of images") from None


def _images(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.suffix.lower() in SUFFIXES]


def _few(found: Sequence[_Found], most: int | None) -> list[_Found]:
    if most is None or most >= len(found):
        return list(found)
    return [found[row * len(found) // most] for row in range(most)]


def _size(path: Path) -> tuple[int, bool]:
    """Return the shorter side of an image, and whether it is grey; its pixels are not decoded."""
    with _opened(path) as image:
        if image.mode.startswith(("I", "F")):
            raise ValueError("it has more than 8 bits a pixel")
        return min(image.size), image.mode in ("L", "1")


def _square(path: Path, side: int, grey: bool) -> Array:
    """Return an image, uint8 (C, side, side)."""
    from PIL import Image

    with _opened(path) as image:
        shown = image.convert("L" if grey else "RGB")
    width, height = (max(side, side * edge // min(shown.size)) for edge in shown.size)
    scaled = shown.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - side) // 2, (height - side) // 2
    pixels = np.asarray(scaled.crop((left, top, left + side, top + side)))
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _opened(path: Path) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    with open_regular(path) as file:
        content = file.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata on which no pixel depends
        try:
            return Image.open(io.BytesIO(content), formats=FORMATS)
        except UnidentifiedImageError:  # its own message shows an address in memory
            raise ValueError("it is not a JPEG, PNG, BMP or WebP image") from None
