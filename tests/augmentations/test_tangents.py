"""Tangents against finite differences of transformations that are known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial.transform import Rotation
from torchvision.transforms import functional

from care_bench.augmentations.tangents import CLOUDS, IMAGES, cloud_tangent, image_tangent

SIDE = 33
STEP = 1e-4


def picture(x, y):
    """Three smooth functions of the plane in [0.2, 0.8], slow enough for central differences."""
    channels = (torch.sin(0.05 * x + 0.02 * y), torch.cos(0.03 * y - 0.04 * x), torch.sin(0.04 * y + 1))
    return torch.stack([0.5 + 0.3 * channel for channel in channels], dim=-3)


def grid():
    centred = torch.arange(SIDE, dtype=torch.float64) - (SIDE - 1) / 2
    return centred[None, :].expand(SIDE, SIDE), centred[:, None].expand(SIDE, SIDE)


def moved(name, t):
    """Return the picture after the transformation: its value at the point that comes here."""
    x, y = grid()
    if name == "translation_x":
        return picture(x - t * SIDE / 10, y)
    if name == "translation_y":
        return picture(x, y - t * SIDE / 10)
    if name == "rotation":  # counter-clockwise on the screen, whose y axis points down
        return picture(math.cos(t) * x - math.sin(t) * y, math.sin(t) * x + math.cos(t) * y)
    if name == "scale":
        return picture(x * math.exp(-t), y * math.exp(-t))
    adjust = {"brightness": "adjust_brightness", "contrast": "adjust_contrast", "saturation": "adjust_saturation"}
    return getattr(functional, adjust[name])(picture(x, y).float(), 1 + t).double()


@pytest.mark.parametrize("name", IMAGES)
def test_of_images(name):
    step = STEP if name in IMAGES[:4] else 1e-2  # torchvision's in float32
    finite = (moved(name, step) - moved(name, -step)) / (2 * step)
    found = image_tangent(picture(*grid())[None], name)[0]
    inner = (slice(None), slice(1, -1), slice(1, -1))  # at the border differences are one-sided
    assert finite[inner].abs().max() > 0.02
    torch.testing.assert_close(found[inner], finite[inner], rtol=0, atol=2e-3)


def test_counter_clockwise_is_as_torchvision_turns():
    image = picture(*grid())[None].float()
    turned = functional.rotate(image, 1.0, functional.InterpolationMode.BILINEAR)
    finite, found = (turned - image) / math.radians(1.0), image_tangent(image, "rotation")
    inner = (..., slice(8, -8), slice(8, -8))
    assert torch.nn.functional.cosine_similarity(finite[inner].flatten(), found[inner].flatten(), dim=0) > 0.98


@pytest.mark.parametrize("name", CLOUDS)
def test_of_clouds(name):
    points = torch.rand(4, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ahead, behind = (
        torch.from_numpy(Rotation.from_euler(name[-1], t).apply(points.view(-1, 3).numpy())) for t in (STEP, -STEP)
    )
    finite = ((ahead - behind) / (2 * STEP)).view(4, 6, 3)
    torch.testing.assert_close(cloud_tangent(points, name), finite, rtol=0, atol=1e-7)
