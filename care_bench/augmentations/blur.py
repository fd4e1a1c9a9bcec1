"""Gaussian blur with one standard deviation per image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SHORT = 9
"""Most taps that are summed for all images at once."""
TAIL = 6.0
"""Standard deviations beyond which a Gaussian is less than 2e-8 of its largest value."""


def gaussian_blur(images: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Blur every image with a Gaussian cut to ``kernel`` taps and reflected borders, as ``F.gaussian_blur`` does.

    The two axes are blurred one after the other, each by a sum of shifted images. On a processor a long kernel is cut
    off where its weights are below 1e-7 of the largest, for each image by itself.

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
    weights = density / density.sum(1, keepdim=True)
    if images.device.type != "cpu" or kernel <= SHORT:
        return _summed(images, weights)
    blurred = torch.empty_like(images)
    for number, far in enumerate((TAIL * sigma).ceil().clamp(1, reach).int().tolist()):
        some = slice(number, number + 1)
        blurred[some] = _summed(images[some], weights[some, reach - far : reach + far + 1])
    return blurred


def _summed(images: Tensor, weights: Tensor) -> Tensor:
    """Sum the shifted images along one axis after the other, with weights (n, kernel)."""
    kernel = weights.shape[1]
    reach = kernel // 2
    taps = weights[:, :, None, None, None].unbind(1)
    padded = functional.pad(images, (reach,) * 4, mode="reflect")
    for axis in (3, 2):
        size = images.shape[axis]
        blurred = padded.narrow(axis, 0, size) * taps[0]
        for shift in range(1, kernel):
            blurred.addcmul_(padded.narrow(axis, shift, size), taps[shift])
        padded = blurred
    return padded
