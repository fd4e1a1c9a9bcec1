"""Tangents of smooth transformations: how fast a view changes when the transformation sets in.

For a transformation g_t with g_0 = identity, the tangent of a view x is d/dt g_t(x) at t = 0. Of images, movements are
taken with spatial derivatives by central differences.
"""

from __future__ import annotations

import torch
from torch import Tensor

from care_bench.augmentations.colour import grayscale

IMAGES = ("translation_x", "translation_y", "rotation", "scale", "brightness", "contrast", "saturation")
CLOUDS = ("rotation_x", "rotation_y", "rotation_z")


def image_tangent(pixels: Tensor, name: str) -> Tensor:
    """Return the tangent of images in [0, 1].

    Args:
        pixels: (n, C, h, w) before normalisation.
        name: one of ``IMAGES``. The unit of t is a tenth of the image's width or height (translation), a radian
            (rotation about the centre), a factor e (scale about the centre) or 1 in a factor of colour jitter.

    Returns:
        (n, C, h, w).
    """
    if name == "brightness":
        return pixels
    if name == "contrast":
        return pixels - grayscale(pixels).mean(dim=(1, 2, 3), keepdim=True)
    if name == "saturation":
        return pixels - grayscale(pixels)
    height, width = pixels.shape[2:]
    down, right = torch.gradient(pixels, dim=(2, 3))
    y = (torch.arange(height, device=pixels.device) - (height - 1) / 2)[:, None]
    x = (torch.arange(width, device=pixels.device) - (width - 1) / 2)[None, :]
    # A point that moves with velocity v leaves behind the brightness -v . gradient.
    if name == "translation_x":
        return -right * (width / 10)
    if name == "translation_y":
        return -down * (height / 10)
    if name == "rotation":  # counter-clockwise as the image is shown, with y pointing down
        return -(right * y - down * x)
    return -(right * x + down * y)


def cloud_tangent(points: Tensor, name: str) -> Tensor:
    """Return the velocity (n, P, 3) of point clouds (n, P, 3) that turn about an axis, t in radians.

    Args:
        points: the clouds.
        name: one of ``CLOUDS``.
    """
    axis = torch.zeros(3, dtype=points.dtype, device=points.device)
    axis[CLOUDS.index(name)] = 1.0
    velocity: Tensor = torch.linalg.cross(axis.expand_as(points), points)
    return velocity
