"""Rotation of images in their plane."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def turned(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn images about their centre, counter-clockwise; bilinear, and what comes from outside is black.

    Agrees with ``torchvision.transforms.functional.rotate`` (bilinear, no expansion) to rounding, image by image.

    Args:
        images: (n, C, H, W) floating point.
        degrees: (n,), on the device of the images.

    Returns:
        (n, C, H, W).
    """
    height, width = images.shape[2:]
    angle = torch.deg2rad(degrees.double())[:, None, None]
    y = (torch.arange(height).to(angle) - (height - 1) / 2)[:, None]
    x = (torch.arange(width).to(angle) - (width - 1) / 2)[None, :]
    # Where each pixel comes from, in pixels from the centre; y points down.
    across = angle.cos() * x - angle.sin() * y
    down = angle.sin() * x + angle.cos() * y
    places = torch.stack([across * (2 / width), down * (2 / height)], dim=-1).to(images.dtype)
    found: Tensor = functional.grid_sample(images, places, mode="bilinear", padding_mode="zeros", align_corners=False)
    return found
