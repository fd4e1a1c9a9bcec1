"""How the crops and the colour jitter of two views of the same images differ, as AugSelf predicts it.

Source: Lee et al. 2021, "Improving Transferability of Representations via Augmentation-Aware Self-Supervision", and its
released code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from care_bench.augmentations.parameters import ImageParameters


def crop_difference(first: ImageParameters, second: ImageParameters) -> Tensor:
    """Return the first crop's centre and size minus the second's, relative to the image.

    The columns are the centre's vertical and horizontal place, height and width. Where the first view is mirrored, the
    horizontal places of both centres are mirrored too, as in the released code: the difference is as the first view
    shows it.

    Args:
        first: n rows.
        second: n rows for the same images in the same order.

    Returns:
        (n, 4) float32, each number in (-1, 1).
    """
    height, width = first.input_size
    size = first.box.new_tensor([height, width, height, width])
    one, other = (parameters.box.float() / size for parameters in (first, second))
    centres = (one[:, :2] + one[:, 2:] / 2) - (other[:, :2] + other[:, 2:] / 2)
    mirrored = torch.where(first.flip, -centres[:, 1], centres[:, 1])
    return torch.cat([centres[:, :1], mirrored[:, None], one[:, 2:] - other[:, 2:]], dim=1)


def jitter_strengths(parameters: ImageParameters, jitter: tuple[float, float, float, float]) -> Tensor:
    """Return how strongly brightness, contrast, saturation and hue are changed, relative to their ranges.

    A strength is the distance of the factor from the one that changes nothing, over the width of the factor's range. It
    is 0 where an image is not jittered, and for an operation without a range.

    Args:
        parameters: n rows.
        jitter: strengths they were drawn with, as :class:`ImageDistribution` has them.

    Returns:
        (n, 4) float32; in [-1/2, 1/2] for strengths up to 1.
    """
    strength = torch.tensor(jitter)
    neutral = torch.tensor([1.0, 1.0, 1.0, 0.0])
    low = torch.where(neutral > 0, (neutral - strength).clamp(min=0.0), -strength)
    width = neutral + strength - low
    relative = torch.where(width > 0, (parameters.factors - neutral) / width, 0.0)
    return torch.where(parameters.jitter[:, None], relative, 0.0)
