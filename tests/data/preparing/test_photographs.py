from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

from care_bench.data.preparing.photographs import Photograph, read, square
from tests.data.large_formats import encode


def torchvision_pixels(content: bytes) -> np.ndarray:
    """Return the square that torchvision's transforms crop, (3, 256, 256)."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    cut = v2.Compose([v2.Resize(256, v2.InterpolationMode.BILINEAR, antialias=True), v2.CenterCrop(256)])
    return np.asarray(cut(image)).transpose(2, 0, 1)


@pytest.mark.parametrize("size", [(300, 257), (257, 300), (1000, 301), (259, 262), (255, 1000), (1, 3), (256, 256)])
def test_square_agrees_with_torchvision(size: tuple[int, int]) -> None:
    content = encode("RGB", size, seed=sum(size))
    np.testing.assert_array_equal(square(Image.open(io.BytesIO(content))), torchvision_pixels(content))


def test_pixels_by_hand() -> None:
    """A picture of twice the size: halving averages neighbours, with the weights of bilinear interpolation."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    picture = np.kron(coarse, np.ones((128, 128, 1), dtype=np.uint8))  # 512 high and 768 wide, made of squares of 128
    found = square(Image.fromarray(picture))
    # scaled to 256 x 384 with squares of 64; the middle 256 columns start at 64
    for row in range(4):
        for column in range(4):
            inside = found[:, 64 * row + 2 : 64 * row + 62, 64 * column + 2 : 64 * column + 62]
            assert (inside == coarse[row, column + 1][:, None, None]).all()


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_image_is_said_and_no_program_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr("subprocess.Popen", lambda *args, **rest: pytest.fail(f"started {args}"))
    path = tmp_path / "x.JPEG"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^it is not a JPEG or PNG image$"):
        read(Photograph("train", 0, "x.JPEG", path, len(content), ""))
