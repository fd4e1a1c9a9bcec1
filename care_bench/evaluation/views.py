"""Under which augmentations samples are embedded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from care_bench.augmentations import Augmentation, ImageAugmentation, Parameters


def of_one_draw(augmentation: Augmentation[Any], samples: Tensor, one: Parameters) -> Tensor:
    """Return views of all samples under one draw."""
    return augmentation.apply(samples, one.repeat_interleave(len(samples)))


def crop_and_flip(augmentation: Augmentation[Any]) -> Augmentation[Any]:
    """Return random resized crops of 8 % to all of the image and flips, as torchvision's classifiers are trained."""
    assert isinstance(augmentation, ImageAugmentation)
    return replace(
        augmentation,
        crop_scale=(0.08, 1.0),
        flip_probability=0.5,
        jitter_probability=0.0,
        grayscale_probability=0.0,
        blur_probability=0.0,
        rotation_degrees=0.0,
    )


def composable(augmentation: Augmentation[Any]) -> tuple[Augmentation[Any], Augmentation[Any]]:
    """Return the first and the second augmentation of a composition.

    For images, the first one returns views in [0, 1]; the second one takes images of their size and normalises.
    """
    if not isinstance(augmentation, ImageAugmentation):
        return augmentation, augmentation
    channels = len(augmentation.mean)
    before = replace(augmentation, mean=(0.0,) * channels, std=(1.0,) * channels)
    return before, replace(augmentation, input_size=augmentation.size, centre=None)
