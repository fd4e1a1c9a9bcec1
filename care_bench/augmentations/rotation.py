"""Rotation of images in the plane, each by an angle of its own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from care_bench.augmentations.transfer import to_device


def draw_angles(n: int, degrees: float, generator: torch.Generator) -> Tensor:
    """Draw n angles as ``torchvision.transforms.RandomRotation`` does: uniform in [-degrees, degrees], (n,) float32."""
    return (degrees * (2 * torch.rand(n, generator=generator, dtype=torch.float64) - 1)).float()


def rotate(images: Tensor, angle: Tensor) -> Tensor:
    """Turn every image about its centre, bilinear and black outside, as ``F.rotate`` does.

    The places that the pixels come from are sums of products, not a matrix product: an image has the same bits in every
    batch, and TF32 does not round them.

    Args:
        images: (n, C, H, W) float32.
        angle: (n,) degrees on the CPU, counter-clockwise.

    Returns:
        (n, C, H, W) float32.
    """
    height, width = images.shape[2:]
    turn = torch.deg2rad(angle.double())
    cosine, sine = (to_device(part.float()[:, None, None], images.device) for part in (turn.cos(), turn.sin()))
    y = (torch.arange(height, device=images.device) - (height - 1) / 2)[:, None]
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    across = x * (cosine / (width / 2)) - y * (sine / (width / 2))
    down = x * (sine / (height / 2)) + y * (cosine / (height / 2))
    places = torch.stack([across, down], dim=3)
    return functional.grid_sample(images, places, mode="bilinear", padding_mode="zeros", align_corners=False)
