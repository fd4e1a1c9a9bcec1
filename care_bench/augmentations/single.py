"""One augmentation alone, at a given strength, the same for all samples."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from care_bench.augmentations.images import ImageAugmentation
from care_bench.augmentations.parameters import ImageParameters, RotationParameters
from care_bench.augmentations.sharing import Augmentation
from care_bench.augmentations.strengths import STRENGTHS

REACH = 3.0
"""Half of a blur's kernel in standard deviations; the rest of the Gaussian is 0.3 %."""


def acting(augmentation: Augmentation[Any]) -> tuple[str, ...]:
    """Return the names in ``STRENGTHS`` that change the samples of an augmentation, in their order."""
    if not isinstance(augmentation, ImageAugmentation):
        return ("rotation",)
    still = {"hue"} if len(augmentation.mean) == 1 else set()
    return tuple(name for name in STRENGTHS if name not in still)


def at_strength(
    augmentation: Augmentation[Any], samples: Tensor, name: str, strength: float, pixel: float = 1.0
) -> Tensor:
    """Apply one augmentation to all samples; without it they would be ``augmentation.identity(samples)``.

    Args:
        augmentation: of the samples; size and normalisation are its own. The blur has a kernel of three standard
            deviations either way, as far as the view goes: the augmentation's own may be too short for strong blur.
        samples: (n, C, H, W) images, or (n, P, 3) point clouds, which are rotated about the z axis.
        name: a key of ``STRENGTHS`` that is :func:`acting`.
        strength: as the values of ``STRENGTHS``.
        pixel: pixels of the view in a pixel of the blur's strength.
    """
    if not isinstance(augmentation, ImageAugmentation):
        return augmentation.apply(samples, RotationParameters(_about_z(strength).repeat(len(samples), 1, 1)))
    if name == "crop":
        return augmentation.middle(samples, strength)
    parameters = _neutral(augmentation)
    if name == "hue":
        parameters.factors[:, 3] = strength
        parameters = replace(parameters, jitter=torch.tensor([True]))
    elif name == "rotation":
        parameters = replace(parameters, angle=torch.tensor([strength]))
    elif name == "blur":
        strength *= pixel
        reach = min(math.ceil(REACH * strength), min(augmentation.size) - 1)
        augmentation = replace(augmentation, blur_kernel=2 * reach + 1)
        parameters = replace(parameters, blur=torch.tensor([True]), sigma=torch.tensor([strength]))
    else:
        parameters = replace(parameters, flip=torch.tensor([True]))
    return augmentation.apply(samples, parameters.repeat_interleave(len(samples)))


def colour_alone(augmentation: ImageAugmentation, drawn: ImageParameters) -> ImageParameters | None:
    """Return the draw that turns the hue most, without its other parts, one row; None where none turns it."""
    turned = torch.where(drawn.jitter, drawn.factors[:, 3].abs(), 0.0)
    if len(augmentation.mean) == 1 or turned.max() == 0:
        return None
    one = drawn[int(turned.argmax())]
    return replace(_neutral(augmentation), jitter=one.jitter, order=one.order, factors=one.factors)


def _neutral(augmentation: ImageAugmentation) -> ImageParameters:
    """Return the parameters that change nothing, one row."""
    off = torch.tensor([False])
    return ImageParameters(
        input_size=augmentation.input_size,
        box=torch.tensor([augmentation.shown]),
        flip=off,
        jitter=off,
        order=torch.arange(4)[None],
        factors=torch.tensor([[1.0, 1.0, 1.0, 0.0]]),
        grayscale=off,
        blur=off,
        sigma=torch.tensor([1.0]),
    )


def _about_z(degrees: float) -> Tensor:
    """Return the rotation about the z axis, (3, 3)."""
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    turn = torch.eye(3, dtype=torch.float64)
    turn[0, 0] = turn[1, 1] = angle.cos()
    turn[1, 0], turn[0, 1] = angle.sin(), -angle.sin()
    return turn.float()
