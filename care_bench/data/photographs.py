"""Photographs of any size as squares of 256 pixels, for the data sets that are made of image files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from care_bench.data.column import Column
from care_bench.data.rows import Columns, Rows, writing
from care_bench.data.source import Array, SplitArrays

if TYPE_CHECKING:
    from PIL import Image

PIXELS = 256  # of the shorter side, and of the square cut out of the middle
COLUMNS: Columns = {f"{side}_inputs": (np.uint8, (3, PIXELS, PIXELS)) for side in ("train", "test")}
BLOCK = 256  # rows copied together
INPUTS = (
    f"RGB images, the shorter side scaled to {PIXELS} pixels (bilinear, antialiased), the middle "
    f"{PIXELS}x{PIXELS}, 0..255"
)


def maker(name: str, version: int) -> str:
    """Name what makes the rows: another one begins anew."""
    return f"{name} {version}, Pillow {metadata.version('pillow')}"


def decode(file: IO[bytes]) -> Array:
    """Decode an image file to one row, uint8 (1, 3, 256, 256)."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on metadata that no pixel depends on
        with Image.open(file) as image:
            return square(image)[None]


def square(image: Image.Image) -> Array:
    """Scale an image to 256 pixels on its shorter side and cut out the middle, as torchvision's transforms do.

    Args:
        image: in any mode: grey, palette and CMYK become RGB.

    Returns:
        uint8 (3, 256, 256).
    """
    from PIL import Image

    rgb = image.convert("RGB")
    width, height = (PIXELS * edge // min(rgb.size) for edge in rgb.size)
    left, top = round((width - PIXELS) / 2), round((height - PIXELS) / 2)
    scaled = rgb.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(scaled.crop((left, top, left + PIXELS, top + PIXELS))).transpose(2, 0, 1)


def finish(rows: Rows, sides: Sequence[str]) -> dict[str, Array]:
    """Return the columns of both sides, one row for every image that could be read, in the order of the images.

    Args:
        rows: in the order in which the images were read.
        sides: ``train`` or ``test`` for every image.

    Raises:
        CareBenchError: images that were broken at first have to be put in their places, and the disk has no room.
    """
    images = rows.finish()
    for name in images:
        read = np.array([index for index in rows.order if f"{sides[index]}_inputs" == name])
        if (np.diff(read) < 0).any():
            images[name] = _rearranged(images[name], np.argsort(read), rows.folder / f"{name}.rearranged.npy")
    return images


def splits(images: Mapping[str, Array], classes: Mapping[str, Sequence[int]]) -> tuple[SplitArrays, SplitArrays]:
    """Join the rows of both sides with the classes of their images."""
    train, test = (
        SplitArrays(images[f"{side}_inputs"], {"class": np.array(classes[side], dtype=np.int64)})
        for side in ("train", "test")
    )
    return train, test


def _rearranged(rows: Array, places: Array, path: Path) -> Array:
    with writing(path.parent):
        column = Column(path, rows.dtype, rows.shape[1:])
        with column.file:
            column.truncate(0)
            for start in range(0, len(places), BLOCK):
                column.append(rows[places[start : start + BLOCK]])
            return column.finish()
