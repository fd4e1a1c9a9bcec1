"""Augmentation parameters as network input: standardised numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from care_bench.augmentations import Augmentation, Parameters
from care_bench.augmentations.transfer import to_device

DRAWS = 10_000
"""Draws from which mean and standard deviation are estimated, to about one percent."""


class ParameterVector(nn.Module):
    """The vector of a draw, each number minus its mean over its standard deviation under the augmentation.

    A number that never varies, such as the blur of an augmentation without blur, becomes 0.

    Args:
        augmentation: distribution of the draws.
        generator: CPU generator of the draws behind mean and standard deviation.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, augmentation: Augmentation[Any], generator: torch.Generator) -> None:
        super().__init__()
        vectors = augmentation.sample(DRAWS, generator).to_vector().double()
        spread = vectors.std(dim=0)
        self.register_buffer("mean", vectors.mean(dim=0).float())
        self.register_buffer("scale", torch.where(spread > 1e-6, 1 / spread, 0.0).float())
        self.dimension = vectors.shape[1]

    def forward(self, parameters: Parameters) -> Tensor:
        """Return the standardised vectors (n, p), on the device of this module."""
        standardised: Tensor = (to_device(parameters.to_vector(), self.mean.device) - self.mean) * self.scale
        return standardised
