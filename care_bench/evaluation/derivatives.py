"""Forward-mode derivatives of an encoder's representations under smooth transformations of its input."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from care_bench.augmentations import Augmentation, ImageAugmentation
from care_bench.augmentations.tangents import CLOUDS, IMAGES, cloud_tangent, image_tangent
from care_bench.models import FeatureExtractor


def smooth(augmentation: Augmentation[Any]) -> tuple[str, ...]:
    """Return the names of the smooth transformations of an augmentation's views."""
    if not isinstance(augmentation, ImageAugmentation):
        return CLOUDS
    return IMAGES if len(augmentation.mean) == 3 else tuple(name for name in IMAGES if name != "saturation")


def tangent(augmentation: Augmentation[Any], views: Tensor, name: str) -> Tensor:
    """Return the tangent of views as an encoder takes them, normalised, under a transformation of their pixels."""
    if not isinstance(augmentation, ImageAugmentation):
        return cloud_tangent(views, name)
    mean, std = (torch.tensor(part).to(views)[:, None, None] for part in (augmentation.mean, augmentation.std))
    return image_tangent(views * std + mean, name) / std


def derivative(
    encoder: FeatureExtractor, views: Tensor, direction: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the representations (n, d) of views, and their derivatives (n, d) in a direction, of the views' shape."""
    values, derivatives = {}, {}
    with torch.no_grad(), forward_ad.dual_level():  # no graph for a backward pass
        with warnings.catch_warnings():  # torch's own first use of forward mode calls what it has deprecated
            warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)
            dual = forward_ad.make_dual(views, direction)  # type: ignore[no-untyped-call]
        for name, rows in encoder.represent(dual).items():
            values[name], moved = forward_ad.unpack_dual(rows)  # type: ignore[no-untyped-call]
            derivatives[name] = torch.zeros_like(values[name]) if moved is None else moved
    return values, derivatives
