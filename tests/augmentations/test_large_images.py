"""Large images and large batches on a processor: image by image as torchvision, and the same bits in any batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate1d

from care_bench.augmentations import ImageAugmentation, images
from care_bench.augmentations.blur import gaussian_blur
from care_bench.augmentations.large import LARGE
from tests.augmentations.test_images_apply import NOTHING, TOLERANCE, by_hand, largest_difference, make, pictures


@pytest.mark.parametrize(("input_size", "size"), [((150, 144), (120, 132)), ((129, 128), (224, 200))])
@pytest.mark.parametrize("degrees", [0.0, 30.0])
def test_agrees_with_torchvision(input_size: tuple[int, int], size: tuple[int, int], degrees: float) -> None:
    assert input_size[0] * input_size[1] > LARGE
    augmentation = make(3, input_size=input_size, size=size, blur_kernel=23, rotation_degrees=degrees)
    parameters = augmentation.sample(20, torch.Generator().manual_seed(1))
    shown = pictures(20, 3, input_size)
    assert largest_difference(augmentation, shown, parameters) < (20 * TOLERANCE if degrees else TOLERANCE)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_box_is_cropped_as_torchvision_does(data: st.DataObject) -> None:
    """Boxes that grow, shrink, or grow along one axis and shrink along the other."""
    input_size = (90, 80)
    # torch 2.15 resizes wrongly to a width of 1 pixel, so the reference needs at least two
    size = data.draw(st.tuples(st.integers(1, 120), st.integers(2, 120)))
    height, width = (data.draw(st.integers(1, limit)) for limit in input_size)
    top, left = data.draw(st.integers(0, 90 - height)), data.draw(st.integers(0, 80 - width))
    parameters = by_hand(input_size, box=[top, left, height, width], flip=data.draw(st.booleans()))
    augmentation = make(3, input_size=input_size, size=size, blur_kernel=1)
    shown = torch.rand(1, 3, *input_size, generator=torch.Generator().manual_seed(height))
    assert largest_difference(augmentation, shown, parameters) < TOLERANCE


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "jitter",
    [(0.8, 0, 0, 0), (0, 0.8, 0, 0), (0, 0, 0.8, 0), (0, 0, 0, 0.5), (0.8, 0.8, 0.8, 0.2)],
    ids=["brightness", "contrast", "saturation", "hue", "strong"],
)
def test_colours_agree_with_torchvision(channels: int, jitter: tuple[float, float, float, float]) -> None:
    size = {"input_size": (90, 80), "size": (90, 80)}
    plain = {"mean": (0.0,) * channels, "std": (1.0,) * channels}
    augmentation = make(channels, **{**NOTHING, **size, **plain, "jitter_probability": 1.0, "jitter": jitter})
    parameters = augmentation.sample(30, torch.Generator().manual_seed(2))
    assert largest_difference(augmentation, pictures(30, channels, (90, 80)), parameters) < TOLERANCE


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("degrees", [0.0, 30.0])
def test_images_are_not_changed_and_neither_their_type_nor_threads_matter(channels: int, degrees: float) -> None:
    augmentation = make(channels, input_size=(200, 190), size=(200, 190), rotation_degrees=degrees)
    parameters = augmentation.sample(12, torch.Generator().manual_seed(5))
    whole = torch.tensor([0, 0, 200, 190])
    parameters.box[:6] = whole  # nothing is copied for the crop
    stored = (pictures(12, channels, (200, 190)) * 255).byte()
    shown = stored.float() / 255
    before, expected = shown.clone(), augmentation.apply(stored, parameters)
    assert torch.equal(augmentation.apply(shown, parameters), expected)
    assert torch.equal(shown, before)
    threads = torch.get_num_threads()
    torch.set_num_threads(3 - min(threads, 2))
    try:
        assert torch.equal(augmentation.apply(shown, parameters), expected)
    finally:
        torch.set_num_threads(threads)


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
