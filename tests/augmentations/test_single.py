"""One augmentation at a known strength against torchvision and scipy."""

from __future__ import annotations

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
    "crop": lambda x, s: functional.resized_crop(x, *box(24, s), [24, 24], antialias=True),
    "rotation": lambda x, s: functional.rotate(x, s, functional.InterpolationMode.BILINEAR),
    "blur": lambda x, s: functional.gaussian_blur(x, [5, 5], [s, s]),
    "flip": lambda x, s: functional.hflip(x),
}


def box(side, area):
    part = round(side * area**0.5)
    return (side - part) // 2, (side - part) // 2, part, part


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
    assert acting(gray) == ("crop", "rotation", "flip")
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
