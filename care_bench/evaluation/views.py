"""Which samples of a split are embedded, and under which augmentations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from care_bench.augmentations import Augmentation, ImageAugmentation, Parameters
from care_bench.data import UNLABELLED, Split


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
    return before, replace(augmentation, input_size=augmentation.size)


def labelled(split: Split) -> Split:
    """Leave out samples without a class, which are for pretraining only."""
    classes = split.labels.get("class")
    return split if classes is None or (classes != UNLABELLED).all() else _rows(split, classes != UNLABELLED)


def evenly_spaced(split: Split, most: int | None) -> Split:
    """Return at most so many samples, evenly spaced; all of them for None."""
    if most is None or most >= len(split):
        return split
    return _rows(split, evenly_spaced_rows(len(split), most))


def evenly_spaced_rows(number: int, most: int) -> npt.NDArray[np.int64]:
    """Return at most so many places of a number of samples, evenly spaced."""
    most = min(most, number)
    return np.arange(most) * number // most


def _rows(split: Split, rows: npt.NDArray[Any]) -> Split:
    return Split(split.inputs[rows], {name: labels[rows] for name, labels in split.labels.items()})
