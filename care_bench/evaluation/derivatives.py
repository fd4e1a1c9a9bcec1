"""Forward-mode derivatives of an encoder's representations under smooth transformations of its input."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from care_bench.augmentations import Augmentation, ImageAugmentation
from care_bench.augmentations.tangents import CLOUDS, IMAGES, cloud_tangent, image_tangent
from care_bench.models import FeatureExtractor
from care_bench.uncompiled import without_compiler

STEP = 0.05
"""Along a direction, to see whether an encoder moves that has no derivative."""
MOVES = 1e-5
"""Relative to the largest number of a representation: less is rounding."""


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
    """Return the representations (n, d) of views, and their derivatives (n, d) in a direction, of the views' shape.

    Raises:
        ValueError: the encoder has an operation without a forward-mode derivative; or one that cuts derivatives off, so
            that they are zero although the representations move.
    """
    values, derivatives = {}, {}
    try:
        found = _dual(encoder, views, direction)
    except NotImplementedError as error:
        said = str(error).splitlines()[0]
        raise ValueError(f"the encoder has no forward-mode derivative: {said}") from None
    for name, (rows, moved) in found.items():
        values[name] = rows
        derivatives[name] = torch.zeros_like(rows) if moved is None else moved
    if still := [name for name, moved in derivatives.items() if not moved.any()]:
        with torch.no_grad():
            there = encoder.represent(views + STEP * direction)
        for name in still:
            if (there[name] - values[name]).abs().max() > MOVES * values[name].abs().max():
                raise ValueError(
                    "the encoder passes no derivatives on (by detach, inference_mode, numpy or rounding): "
                    "all are zero, but its representations move"
                )
    return values, derivatives


def _dual(encoder: FeatureExtractor, views: Tensor, direction: Tensor) -> dict[str, tuple[Tensor, Tensor | None]]:
    _use_first()
    # No graph for a backward pass; and attention by matrix products, since fused kernels have no such derivative.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), forward_ad.dual_level():
        dual = forward_ad.make_dual(views, direction)  # type: ignore[no-untyped-call]
        return {
            name: tuple(forward_ad.unpack_dual(rows))  # type: ignore[no-untyped-call]
            for name, rows in encoder.represent(dual).items()
        }


@cache
def _use_first() -> None:
    """Derive a BatchNorm of one value: torch's own first use calls what it has deprecated, and imports its compiler."""
    one = torch.ones(1, 1)
    with warnings.catch_warnings(), without_compiler(), torch.no_grad(), forward_ad.dual_level():
        warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)
        functional.batch_norm(forward_ad.make_dual(one, one), *one.expand(4, 1))  # type: ignore[no-untyped-call]
