"""Photographs of any size as squares of 256 pixels, for the data sets that are made of image files."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from care_bench.data.preparing.conversion import convert
from care_bench.data.preparing.memory_maps import Block, MemoryMaps
from care_bench.data.source import Array, Raw, SplitArrays
from care_bench.untrusted import open_regular

if TYPE_CHECKING:
    from PIL import Image

PIXELS = 256  # of the shorter side, and of the square cut out of the middle
FORMATS = ("JPEG", "PNG")  # one image of ImageNet is a PNG; for others Pillow may start a program, as for EPS
INPUTS = (
    f"RGB images, the shorter side scaled to {PIXELS} pixels (bilinear, antialiased), the middle "
    f"{PIXELS}x{PIXELS}, 0..255"
)


@dataclass(frozen=True)
class Photograph:
    """One encoded image.

    Attributes:
        split: ``train`` or ``test``.
        label: index of its class.
        name: its name in ``meta.json`` if it is left out; the last part is the name of the file.
        path: the file with its bytes: an image file or an archive.
        size: its size in bytes.
        version: of the content of ``path``, as :func:`care_bench.files.file_version` marks it.
        offset: of its first byte in ``path``.
    """

    split: str
    label: int
    name: str
    path: Path
    size: int
    version: str
    offset: int = 0

    def __str__(self) -> str:
        """Return its location, for messages."""
        file = Path(self.name).name
        return str(self.path) if self.path.name == file else f"{file} in {self.path}"

    def read_bytes(self) -> bytes:
        """Return the encoded image.

        Raises:
            EOFError: the file ends before it.
            OSError: the file cannot be opened or is not a regular file.
        """
        with open_regular(self.path) as file:
            file.seek(self.offset)
            content = file.read(self.size)
        if len(content) < self.size:
            raise EOFError(f"it ends after {len(content)} of {self.size} bytes")
        return content


def build_splits(
    raw: Raw, name: str, version: int, photographs: Sequence[Photograph]
) -> tuple[SplitArrays, SplitArrays, tuple[str, ...]]:
    """Decode photographs into memory maps in the workspace; a stopped attempt is continued.

    Args:
        raw: the workspace, and whether unreadable files are left out.
        name: of the data set.
        version: of the data set; images that another version decoded are decoded again.
        photographs: in the order of the rows.

    Returns:
        train and test: images uint8 (n, 3, 256, 256), label ``class``; and the names of those that were left out.

    Raises:
        CareBenchError: photographs cannot be read and are not to be left out, or the workspace cannot be written or
            has no room.
    """
    rows: Counter[str] = Counter()
    blocks = []
    for photo in photographs:
        source = f"{photo.name} {photo.size} {photo.version}"
        blocks.append(Block(f"{photo.split}_inputs", rows[photo.split], 1, source))
        rows[photo.split] += 1
    arrays = {f"{split}_inputs": (np.uint8, (rows[split], 3, PIXELS, PIXELS)) for split in ("train", "test")}
    maker = f"{name} {version}, Pillow {metadata.version('pillow')}"
    raw.workspace.mkdir(parents=True, exist_ok=True)
    maps = MemoryMaps(raw.workspace, maker, arrays, blocks)
    convert(photographs, maps.todo, read, maps.write, f"{name}: images", raw)
    images, left_out = maps.finish(), set(maps.todo)
    kept = [photo for index, photo in enumerate(photographs) if index not in left_out]
    train, test = (
        SplitArrays(
            images[f"{split}_inputs"],
            {"class": np.array([photo.label for photo in kept if photo.split == split], dtype=np.int64)},
        )
        for split in ("train", "test")
    )
    return train, test, tuple(photographs[index].name for index in sorted(left_out))


def read(photo: Photograph) -> Array:
    """Decode a photograph to one row, uint8 (1, 3, 256, 256).

    Raises:
        ValueError: it is not a JPEG or PNG image; the decoder raises other errors for damaged ones.
    """
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata on which no pixel depends
        try:
            with Image.open(io.BytesIO(photo.read_bytes()), formats=FORMATS) as image:
                return square(image)[None]
        except UnidentifiedImageError:  # its own message shows an address in memory
            raise ValueError("it is not a JPEG or PNG image") from None


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
