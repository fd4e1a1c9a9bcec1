"""Images of a user's folder as squares of one size."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from care_bench.data.load import Split
from care_bench.data.own_folder import FoundImage, find_images, listed
from care_bench.data.source import Array
from care_bench.data.subsets import evenly_spaced_rows, every_second
from care_bench.errors import CareBenchError
from care_bench.progress import progress
from care_bench.untrusted import open_regular

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")
MOST_PIXELS = 256
"""Largest side of the squares: as many pixels as the shortest side of all images has, and at most this many."""
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")  # decoders in Pillow itself, that start no program
PARTS = ("train", "test")
THREADS = 8
"""Decoders at a time: reading and decoding leave Python's lock alone."""


@dataclass(frozen=True)
class Folder:
    """The images of a folder.

    Attributes:
        train, test: its splits.
        halved: whether it has no folders for them, and was divided.
        skipped: images that could not be read and were left out, as `class/name`.
        notes: lines on what is left out, and on transparent images.
    """

    train: Split
    test: Split
    halved: bool
    skipped: tuple[str, ...]
    notes: tuple[str, ...]


def read_folder(folder: Path, most: int | None, skip_broken: bool) -> Folder:
    """Read images, scale their shorter side to the size that all can have, and cut out the middle.

    Images are turned as their camera notes it, and transparent ones shown on white.

    Args:
        folder: with images, class folders, or `train` and `test` (or `val`) folders of either.
        most: most images of each split that are read, evenly spaced; None for all.
        skip_broken: leave out what cannot be read.

    Returns:
        Images uint8 (n, C, side, side), C = 1 if all are grey, else 3; label `class` where there are class folders,
        numbered in the order of their names. Without folders for splits, every second image of a class is a test image.

    Raises:
        CareBenchError: an unreadable image, or as :func:`find_images`.
    """
    in_folder = find_images(folder)
    found, classes = in_folder.images, in_folder.classes
    halved = found[0].part is None
    chosen = _few(_halves(found) if halved else found, most)
    squares = _Squares(chosen)
    if squares.broken and not skip_broken:
        path, why = next(iter(squares.broken.items()))
        raise CareBenchError(
            f"{path}: {why}; {len(squares.broken)} of {len(chosen)} images cannot be read; expected JPEG, PNG, BMP or "
            "WebP, or --skip-broken to leave them out"
        )
    if squares.pixels is None:
        raise CareBenchError(f"{folder}: none of its {len(chosen)} images can be read")
    whole = halved and len(chosen) == len(found)
    kept = _halves(squares.kept) if whole else squares.kept  # as if those left out were not there
    train, test = (_split(kept, squares.pixels, part, bool(classes)) for part in PARTS)
    skipped = sorted(path.relative_to(folder).as_posix() for path in squares.broken)
    notes = [f"{len(skipped)} of {len(chosen)} images left out: {listed(skipped)}"] if skipped else []
    if squares.transparent:
        notes.append(f"{squares.transparent} of {len(squares.kept)} images are transparent in part: shown on white")
    return Folder(train, test, halved, tuple(skipped), (*notes, *in_folder.unread))


class _Squares:
    """Decoded images of the size that all can have; those that cannot be decoded do not decide it.

    Attributes:
        kept: the images that could be read.
        broken: why the others could not.
        pixels: uint8 (n, C, side, side) of those kept; None if there are none.
        transparent: how many of those kept are transparent somewhere.
    """

    def __init__(self, found: Sequence[FoundImage]) -> None:
        self.broken: dict[Path, str] = {}
        sizes = self._over(found, _size, "images: sizes")
        self.kept = [one for one in found if one.path in sizes]
        decoded: dict[Path, _Square] = {}
        before: tuple[int, bool] | None = None
        while self.kept and before != (common := _common([sizes[one.path] for one in self.kept])):
            decoded = self._over(self.kept, partial(_square, side=common[0], grey=common[1]), "images: decoded")
            self.kept, before = [one for one in self.kept if one.path in decoded], common
        found_squares = [decoded[one.path] for one in self.kept]
        self.pixels = np.stack([one.pixels for one in found_squares]) if self.kept else None
        self.transparent = sum(one.transparent for one in found_squares)

    def _over(self, found: Sequence[FoundImage], work: Callable[[Path], T], title: str) -> dict[Path, T]:
        """Work on every image, several at a time; those that cannot be read are noted as broken."""

        def attempt(one: FoundImage) -> T | _Broken:
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


class _Square(NamedTuple):
    """An image, uint8 (C, side, side), and whether it is transparent somewhere."""

    pixels: Array
    transparent: bool


class _Broken(str):
    """Why an image cannot be read."""


def _halves(found: Sequence[FoundImage]) -> list[FoundImage]:
    """Make every second image of a class, or of all where there are no classes, a test image."""
    second = every_second(np.array([one.label or 0 for one in found]))
    return [replace(one, part=PARTS[int(is_second)]) for one, is_second in zip(found, second, strict=True)]


def _few(found: Sequence[FoundImage], most: int | None) -> list[FoundImage]:
    """Return at most so many images of each split, evenly spaced, in their order."""
    places = [np.flatnonzero([one.part == part for one in found]) for part in PARTS]
    rows = np.concatenate([rows[evenly_spaced_rows(len(rows), most)] for rows in places])
    return [found[row] for row in np.sort(rows)]


def _split(kept: Sequence[FoundImage], pixels: Array, part: str, labelled: bool) -> Split:
    rows = [row for row, one in enumerate(kept) if one.part == part]
    labels = np.array([kept[row].label for row in rows if labelled], dtype=np.int64)
    return Split(pixels[rows], {"class": labels} if labelled else {})


def _common(sizes: Sequence[tuple[int, bool]]) -> tuple[int, bool]:
    """Return the side that all images can have, and whether all are grey."""
    return min([MOST_PIXELS, *(side for side, _ in sizes)]), all(grey for _, grey in sizes)


def _size(path: Path) -> tuple[int, bool]:
    """Return the shorter side of an image, and whether it is grey; its pixels are not decoded."""
    with _opened(path) as image:
        if image.mode.startswith(("I", "F")):
            raise ValueError("it has more than 8 bits a pixel")
        return min(image.size), image.mode in ("L", "1", "LA")


def _square(path: Path, side: int, grey: bool) -> _Square:
    from PIL import Image

    with _opened(path) as image:
        shown, transparent = _on_white(_upright(image))
    shown = shown.convert("L" if grey else "RGB")
    width, height = (max(side, side * edge // min(shown.size)) for edge in shown.size)
    scaled = shown.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - side) // 2, (height - side) // 2
    pixels = np.asarray(scaled.crop((left, top, left + side, top + side)))
    return _Square(pixels[None] if grey else pixels.transpose(2, 0, 1), transparent)


def _upright(image: Image.Image) -> Image.Image:
    """Turn or mirror an image as its EXIF data say; one whose EXIF data cannot be read stays as it is stored."""
    from PIL import ImageOps

    image.load()  # damaged pixels raise here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged entries
        try:
            return ImageOps.exif_transpose(image)
        except Exception:  # readers of damaged metadata raise anything
            return image


def _on_white(image: Image.Image) -> tuple[Image.Image, bool]:
    """Return an image without transparency, shown on white, and whether it had any."""
    from PIL import Image

    if "A" not in image.getbands() and "transparency" not in image.info:
        return image, False
    layer = image.convert("RGBA")
    if np.asarray(layer)[..., 3].min() == 255:  # opaque everywhere
        return image, False
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer), True


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
