"""Folders of images as users have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image


def image(path: Path, value: int, size: tuple[int, int] = (12, 10), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 0)).save(path)


def values(images: npt.NDArray[np.uint8]) -> list[int]:
    """The red value in the middle of every image."""
    return [int(value) for value in images[:, 0, images.shape[2] // 2, images.shape[3] // 2]]


def broken_folder(folder: Path) -> None:
    for number in range(6):
        image(folder / f"{number}.png", number)
    content = (folder / "5.png").read_bytes()
    (folder / "5.png").write_bytes(content[: len(content) // 2])
    (folder / "6.jpg").write_bytes(b"no image")
