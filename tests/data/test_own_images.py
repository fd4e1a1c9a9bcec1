"""A user's images as a viewer shows them: upright, and without what is transparent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from care_bench.data import PreparedDataset, read_own
from tests.data.user_images import image

Pixels = npt.NDArray[np.uint8]
DRAWS = np.random.default_rng(0)
ORIENTATION = 0x0112
UPRIGHT: dict[int, Callable[[Any], Any]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored.swapaxes(0, 1), 2),
    8: np.rot90,
}
"""EXIF orientation -> the image upright, as the standard has it."""


def of(folder: Path, *images: Image.Image, **keys: Any) -> PreparedDataset:
    """Read images of which the last is the second test image."""
    folder.mkdir(exist_ok=True)
    for number in range(4 - len(images)):
        Image.new(images[0].mode if images[0].mode in ("L", "LA") else "RGB", (6, 6)).save(folder / f"{number}.png")
    for number, one in enumerate(images, start=4 - len(images)):
        one.save(folder / f"{number}.png", **keys)
    return read_own(folder)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_an_image_is_turned_as_its_camera_notes_it(tmp_path: Path, orientation: int) -> None:
    stored = DRAWS.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    found = of(tmp_path / "data", Image.fromarray(stored), exif=exif)
    assert np.array_equal(found.test.inputs[1], UPRIGHT[orientation](stored).transpose(2, 0, 1))
    assert "notes" not in found.meta


def test_the_middle_is_cut_out_of_the_upright_image(tmp_path: Path) -> None:
    stored = DRAWS.integers(0, 256, (6, 9, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    found = of(tmp_path / "data", Image.fromarray(stored), exif=exif)
    assert np.array_equal(found.test.inputs[1], np.rot90(stored, -1)[1:7].transpose(2, 0, 1))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0no exif data", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0c\0\0\0\0\0\0"]
)
def test_one_with_damaged_notes_is_read_as_it_is_stored(tmp_path: Path, exif: bytes) -> None:
    stored = np.full((6, 6, 3), 40, np.uint8)
    stored[:3] = 200
    for number in range(4):
        (tmp_path / "data").mkdir(exist_ok=True)
        Image.fromarray(stored).save(tmp_path / "data" / f"{number}.jpg", exif=exif, quality=100)
    found = read_own(tmp_path / "data").test.inputs[1, 0].astype(int)
    assert abs(found[0] - 200).max() < 20
    assert abs(found[5] - 40).max() < 20


def rgba(*colour: int) -> Image.Image:
    return Image.new("RGBA", (6, 6), colour)


def palette(transparent: bool) -> Image.Image:
    """An image of two colours, of which the first may be transparent."""
    found = Image.new("P", (6, 6), 0)
    found.putpalette([10, 20, 30, 200, 0, 0])
    found.putpixel((0, 0), 1)
    if transparent:
        found.info["transparency"] = 0
    return found


def keyed() -> Image.Image:
    """A colour image one of whose colours is transparent."""
    found = Image.new("RGB", (6, 6), (10, 20, 30))
    found.putpixel((0, 0), (200, 0, 0))
    found.info["transparency"] = (10, 20, 30)
    return found


@pytest.mark.parametrize(
    ("made", "corner", "middle", "transparent"),
    [
        (rgba(200, 0, 0, 51), (244, 204, 204), (244, 204, 204), True),  # 0.2 * 200 + 0.8 * 255, 0.8 * 255
        (rgba(200, 0, 0, 0), (255, 255, 255), (255, 255, 255), True),
        (rgba(200, 0, 0, 255), (200, 0, 0), (200, 0, 0), False),
        (palette(transparent=True), (200, 0, 0), (255, 255, 255), True),
        (palette(transparent=False), (200, 0, 0), (10, 20, 30), False),
        (keyed(), (200, 0, 0), (255, 255, 255), True),
    ],
    ids=["partly", "all", "opaque", "palette", "opaque-palette", "key"],
)
def test_what_is_transparent_is_shown_on_white(
    tmp_path: Path, made: Image.Image, corner: tuple[int, ...], middle: tuple[int, ...], transparent: bool
) -> None:
    found = of(tmp_path / "data", made)
    assert tuple(found.test.inputs[1, :, 0, 0].tolist()) == corner
    assert tuple(found.test.inputs[1, :, 3, 3].tolist()) == middle
    notes = ["1 of 4 images are transparent in part: shown on white"] if transparent else None
    assert found.meta.get("notes") == notes


def test_grey_images_with_transparency_are_grey(tmp_path: Path) -> None:
    """A shape that its transparency alone draws, black on black: 255 outside, 255 - 204 = 51 where 80 % is ink."""
    drawn = Image.new("LA", (6, 6), (0, 0))
    drawn.putpixel((3, 3), (0, 204))
    found = of(tmp_path / "data", drawn, drawn)
    assert found.test.inputs.shape == (2, 1, 6, 6)
    assert (int(found.test.inputs[1, 0, 3, 3]), int(found.test.inputs[1, 0, 0, 0])) == (51, 255)
    assert found.meta["notes"] == ["4 of 4 images are transparent in part: shown on white"]
    image(tmp_path / "data" / "4.png", 50)
    assert read_own(tmp_path / "data").test.inputs.shape[1] == 3
