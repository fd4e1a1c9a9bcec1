"""Large images and large batches on a processor: image by image as torchvision, and the same bits in any batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from care_bench.augmentations import ImageAugmentation, images
from care_bench.augmentations.blur import gaussian_blur
from care_bench.augmentations.crop import LARGE
from tests.augmentations.test_images_apply import TOLERANCE, largest_difference, make, pictures


@pytest.mark.parametrize(("input_size", "size"), [((150, 144), (120, 132)), ((129, 128), (224, 200))])
@pytest.mark.parametrize("degrees", [0.0, 30.0])
def test_agrees_with_torchvision(input_size: tuple[int, int], size: tuple[int, int], degrees: float) -> None:
    assert input_size[0] * input_size[1] > LARGE
    augmentation = make(3, input_size=input_size, size=size, blur_kernel=23, rotation_degrees=degrees)
    parameters = augmentation.sample(20, torch.Generator().manual_seed(1))
    shown = pictures(20, 3, input_size)
    assert largest_difference(augmentation, shown, parameters) < (20 * TOLERANCE if degrees else TOLERANCE)


@pytest.mark.parametrize("side", [64, 140])
def test_an_image_has_the_same_bits_in_any_batch(side: int) -> None:
    augmentation = make(3, input_size=(side, side), size=(side, side), blur_kernel=23)
    shown, parameters = pictures(60, 3, (side, side)), augmentation.sample(60, torch.Generator().manual_seed(3))
    whole = augmentation.apply(shown, parameters)
    for start, stop in [(0, 1), (59, 60), (0, 33), (5, 22)]:
        assert torch.equal(augmentation.apply(shown[start:stop], parameters[start:stop]), whole[start:stop])


def test_a_large_batch_is_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    augmentation, seen = make(3), []
    work = ImageAugmentation._views
    monkeypatch.setattr(
        ImageAugmentation, "_views", lambda self, some, drawn: seen.append(some.numel()) or work(self, some, drawn)
    )
    augmentation.apply(pictures(400, 3, (32, 32)), augmentation.sample(400, torch.Generator().manual_seed(0)))
    assert sum(seen) == 400 * 3 * 32 * 32
    assert max(seen) <= images.VALUES_AT_ONCE < sum(seen)


def test_the_blur_with_a_long_kernel_is_the_whole_gaussian() -> None:
    """In float64, with all 23 taps of every image."""
    shown = torch.rand(12, 2, 30, 40, generator=torch.Generator().manual_seed(0))
    sigma = torch.linspace(0.1, 3.0, 12)
    tap = np.arange(-11, 12)
    for found, image, one in zip(gaussian_blur(shown, sigma, 23), shown, sigma.tolist(), strict=True):
        weights = np.exp(-(tap**2) / (2 * one**2))
        expected = image.double().numpy()
        for axis in (1, 2):
            expected = correlate1d(expected, weights / weights.sum(), axis=axis, mode="mirror")
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=5e-7)
