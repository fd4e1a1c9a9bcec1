"""One augmentation at a known strength against torchvision and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torchvision.transforms import functional

from care_bench.augmentations import ImageAugmentation, RandomRotation3D
from care_bench.augmentations.single import acting, at_strength, colour_alone
from care_bench.augmentations.strengths import STRENGTHS

IMAGES = torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(0))
PLAIN = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "blur_kernel": 5}
VIEW = ImageAugmentation(input_size=(24, 24), size=(24, 24), **PLAIN)
EXPECTED = {
    "hue": lambda x, s: functional.adjust_hue(x, s),
    "crop": lambda x, s: zoomed(x, s**0.5),
    "rotation": lambda x, s: functional.rotate(x, s, functional.InterpolationMode.BILINEAR),
    "blur": lambda x, s: functional.gaussian_blur(x, [{0.5: 5, 1: 7, 1.5: 11, 2: 13}[s]] * 2, [s, s]),
    "flip": lambda x, s: functional.hflip(x),
}


def zoomed(images, side):
    """Interpolate along both axes between the pixels with their centre in the middle of the image, by numpy."""
    places = np.arange(24) + 0.5
    shown = 12 + side * (places - 12)
    seen = np.abs(places - 12) < 12 * side

    def along(line):
        return np.interp(shown, places[seen], line[seen])

    rows = np.apply_along_axis(along, 3, images.double().numpy())
    return torch.from_numpy(np.apply_along_axis(along, 2, rows)).float()


@pytest.mark.parametrize("name", STRENGTHS)
def test_agrees_with_torchvision(name):
    for strength in STRENGTHS[name]:
        found = at_strength(VIEW, IMAGES, name, strength)
        torch.testing.assert_close(found, EXPECTED[name](IMAGES, strength), rtol=0, atol=2e-5)
        assert (found - IMAGES).abs().mean() > 0.01, "every strength changes the images"


def test_strengths_rise():
    for name, strengths in STRENGTHS.items():
        rising = sorted(strengths, reverse=name == "crop")
        assert list(strengths) == rising
        moved = [(at_strength(VIEW, IMAGES, name, one) - IMAGES).square().mean() for one in strengths]
        if name == "blur":
            assert moved == sorted(moved)


@pytest.mark.parametrize("side", [8, 28, 32])
def test_areas_of_crops_are_those_asked_for_in_small_images(side):
    """Of a brightness that rises to the right, the middle's slope says how wide it is."""
    ramp = ((torch.arange(side) + 0.5) / side).expand(1, 1, side, side)
    view = ImageAugmentation(input_size=(side, side), size=(side, side), mean=(0.0,), std=(1.0,))
    for area in STRENGTHS["crop"]:
        row = at_strength(view, ramp, "crop", area)[0, 0, 0]
        inner = row[side // 2 - 1 : side // 2 + 1]
        assert float(inner[1] - inner[0]) * side == pytest.approx(area**0.5, rel=1e-3)
        assert float(row.mean()) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(
    ("full", "size", "test_view"), [((24, 30), (24, 24), "resize"), ((24, 24), (17, 16), "centre-crop")]
)
def test_the_whole_is_the_view_without_augmentation(full, size, test_view):
    images = torch.rand(2, 3, *full, generator=torch.Generator().manual_seed(2))
    view = ImageAugmentation(input_size=full, size=size, test_view=test_view, **PLAIN)
    torch.testing.assert_close(view.middle(images, 1.0), view.identity(images), rtol=0, atol=2e-6)


def test_a_middle_has_at_least_two_pixels():
    view = ImageAugmentation(input_size=(4, 4), size=(4, 4), mean=(0.0,), std=(1.0,))
    image = torch.arange(16.0).view(1, 1, 4, 4) / 16
    found, expected = view.middle(image, 0.01), functional.resized_crop(image, 1, 1, 2, 2, [4, 4])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_blur_is_as_wide_as_asked_for_whatever_kernel_the_augmentation_has():
    """Of a single bright pixel, the standard deviation of what is left; sampled at pixels, that of 0.5 is 0.46."""
    image = torch.zeros(1, 1, 33, 33)
    image[..., 16, 16] = 1
    place = torch.arange(33.0) - 16
    for kernel in (1, 3):
        view = ImageAugmentation(input_size=(33, 33), size=(33, 33), mean=(0.0,), std=(1.0,), blur_kernel=kernel)
        assert "blur" in acting(view)
        for sigma in STRENGTHS["blur"]:
            row = at_strength(view, image, "blur", sigma).sum(dim=(0, 1, 2))
            assert float((row * place.square()).sum()) ** 0.5 == pytest.approx(sigma, rel=0.08)


def test_integers_are_turned_as_floats_are():
    bytes_ = (IMAGES * 255).round().to(torch.uint8)
    found, expected = (at_strength(VIEW, one, "rotation", 45.0) for one in (bytes_, bytes_.float() / 255))
    assert torch.equal(found, expected)


def test_around_the_view_of_the_centre():
    view = ImageAugmentation(input_size=(24, 24), size=(16, 16), test_view="centre-crop", **PLAIN)
    expected = functional.hflip(view.identity(IMAGES))
    torch.testing.assert_close(at_strength(view, IMAGES, "flip", 1.0), expected, rtol=0, atol=1e-6)


def test_clouds_turn_about_the_z_axis():
    clouds = torch.rand(2, 7, 3, generator=torch.Generator().manual_seed(1))
    found = at_strength(RandomRotation3D(), clouds, "rotation", 30.0)
    turned = Rotation.from_euler("z", 30, degrees=True).apply(clouds.view(-1, 3).numpy())
    assert found.view(-1, 3).numpy() == pytest.approx(turned, abs=1e-6)


def test_what_changes_nothing_does_not_act():
    gray = ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=(0.5,), std=(0.5,), blur_kernel=1)
    assert acting(gray) == ("crop", "rotation", "blur", "flip")
    assert acting(VIEW) == tuple(STRENGTHS)
    assert acting(RandomRotation3D()) == ("rotation",)


def test_the_colours_of_the_draw_that_turns_the_hue_most():
    view = ImageAugmentation(input_size=(24, 24), size=(24, 24), jitter_probability=0.5, **PLAIN)
    drawn = view.sample(30, torch.Generator().manual_seed(0))
    largest = max((row for row in range(30) if drawn.jitter[row]), key=lambda row: abs(drawn.factors[row, 3]))
    assert drawn.factors[:, 3].abs().argmax() != largest, "a draw that is not applied turns nothing"
    found = view.apply(IMAGES[:1], colour_alone(view, drawn))
    expected = IMAGES[:1]
    names = ("brightness", "contrast", "saturation", "hue")
    for place in drawn.order[largest].tolist():
        expected = getattr(functional, f"adjust_{names[place]}")(expected, float(drawn.factors[largest, place]))
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


def test_without_jitter_or_colours_no_draw_turns_the_hue():
    still = ImageAugmentation(input_size=(24, 24), size=(24, 24), jitter_probability=0.0, **PLAIN)
    assert colour_alone(still, still.sample(5, torch.Generator().manual_seed(0))) is None
    gray = ImageAugmentation(input_size=(24, 24), size=(24, 24), mean=(0.0,), std=(1.0,), blur_kernel=5)
    assert colour_alone(gray, gray.sample(5, torch.Generator().manual_seed(0))) is None
