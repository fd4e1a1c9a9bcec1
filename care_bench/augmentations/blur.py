"""Gaussian blur with one standard deviation per image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def gaussian_blur(images: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Blur every image with a Gaussian cut to ``kernel`` taps and reflected borders, as ``F.gaussian_blur`` does.

    The two axes are blurred one after the other, each by a sum of shifted images.

    Args:
        images: (n, C, h, w) float32; h and w exceed kernel // 2.
        sigma: (n,) float32 on the same device, standard deviations in pixels, positive.
        kernel: odd number of taps.

    Returns:
        (n, C, h, w) float32.
    """
    reach = kernel // 2
    tap = torch.arange(-reach, reach + 1, device=sigma.device)
    density = torch.exp(-0.5 * (tap / sigma[:, None]) ** 2)
    weights = (density / density.sum(1, keepdim=True))[:, :, None, None, None].unbind(1)
    for axis, border in ((3, (reach, reach, 0, 0)), (2, (0, 0, reach, reach))):
        padded = functional.pad(images, border, mode="reflect")
        size = images.shape[axis]
        images = padded.narrow(axis, 0, size) * weights[0]
        for shift in range(1, kernel):
            images.addcmul_(padded.narrow(axis, shift, size), weights[shift])
    return images
