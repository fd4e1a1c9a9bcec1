"""Large images on a processor, one by one: each stays in the cache, and nothing is done that was not drawn for it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from care_bench.augmentations.blur import gaussian_blur
from care_bench.augmentations.colour import BRIGHTNESS, CONTRAST, HUE, grayscale, luma_of, turn_hue
from care_bench.augmentations.parameters import ImageParameters
from care_bench.augmentations.transfer import to_float

LARGE = 80**2
"""Pixels of an image above which it is large. Below, one operation on all images is faster than one on each."""


def large_views(images: Tensor, drawn: ImageParameters, size: tuple[int, int], kernel: int) -> Tensor:
    """Crop, mirror, jitter, turn gray and blur every image by its own parameters.

    Args:
        images: (n, C, H, W), uint8 or floating point in [0, 1].
        drawn: n rows, whose rotation is done.
        size: (h, w) of the views.
        kernel: taps of the blur.

    Returns:
        (n, C, h, w) float32 in [0, 1], the same as for small images but for rounding.
    """
    views = _crops(images, drawn, size)
    _jitter(views, drawn)
    for row in _rows(drawn.grayscale):
        views[row] = grayscale(views[row][None])[0]
    rows = _rows(drawn.blur)
    if rows:
        blurred = gaussian_blur(torch.stack([views[row] for row in rows]), drawn.sigma[rows], kernel)
        for row, view in zip(rows, blurred, strict=True):
            views[row] = view
    return torch.stack(views)


def _crops(images: Tensor, drawn: ImageParameters, size: tuple[int, int]) -> list[Tensor]:
    """Crop, resize and mirror, n new tensors (C, h, w). Of an image only the crop is converted to floating point."""
    views = []
    boxes, flips = drawn.box.tolist(), drawn.flip.tolist()
    between = zip(*_neighbours(drawn.box[:, 2], size[0]), strict=True)
    for image, (top, left, height, width), flip, (first, second, share) in zip(
        images, boxes, flips, between, strict=True
    ):
        part = to_float(image[:, top : top + height, left : left + width])
        if height > size[0] or width > size[1]:
            view = functional.interpolate(part[None], size, mode="bilinear", antialias=True)[0]
        else:  # the crop grows: a pixel of the view lies between two of the crop along each axis
            wide = functional.interpolate(part, size[1], mode="linear")
            view = torch.lerp(wide.index_select(1, first), wide.index_select(1, second), share)
        views.append(view.flip(2) if flip else view)
    return views


def _neighbours(length: Tensor, out_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return which two pixels of a growing crop each pixel of the view lies between, twice (n, out_size) int64.

    The third tensor, (n, out_size, 1), is the weight of the second one; it rounds as in torch's own kernel.
    """
    centre = length[:, None].float() / out_size * (torch.arange(out_size) + 0.5)
    last = length[:, None] - 1
    place = torch.minimum((centre - 0.5).clamp_(min=0.0), last)
    first = place.long()
    return first, torch.minimum(first + 1, last), (place - first)[..., None]


def _jitter(views: list[Tensor], drawn: ImageParameters) -> None:
    """Jitter the colours; views may be changed in place or replaced.

    A hue shift is many short operations, so the hues of all images are turned together, between what comes before and
    after in each.
    """
    rows, luma = _rows(drawn.jitter), luma_of(len(views[0]))
    orders, factors = drawn.order[rows].tolist(), drawn.factors[rows].tolist()
    places = [order.index(HUE) for order in orders]
    for row, order, factor, place in zip(rows, orders, factors, places, strict=True):
        _mix(views[row], order[:place], factor, luma)
    turned = [row for row, factor in zip(rows, factors, strict=True) if factor[HUE] != 0 and len(luma) == 3]
    if turned:
        pixels = torch.stack([views[row] for row in turned])
        pixels = turn_hue(pixels.flatten(2), drawn.factors[turned, HUE]).view_as(pixels)
        for row, view in zip(turned, pixels, strict=True):
            views[row] = view
    for row, order, factor, place in zip(rows, orders, factors, places, strict=True):
        _mix(views[row], order[place + 1 :], factor, luma)


def _mix(view: Tensor, operations: list[int], factors: list[float], luma: Tensor) -> None:
    """Mix one view (C, h, w) with black, its mean gray or its gray in place, as brightness, contrast and saturation do.

    The means are of rows and then of all, so that they do not depend on the number of threads.
    """
    for operation in operations:
        factor = factors[operation]
        if operation == BRIGHTNESS:
            view.mul_(factor)
        elif operation == CONTRAST:
            view.lerp_(luma @ view.mean(2).mean(1), 1 - factor)
        else:
            view.lerp_((luma @ view.flatten(1)).view(view.shape[1:]), 1 - factor)
        if factor > 1:  # else colours stay between two in [0, 1]
            view.clamp_(0.0, 1.0)


def _rows(flags: Tensor) -> list[int]:
    return flags.nonzero().squeeze(1).tolist()
