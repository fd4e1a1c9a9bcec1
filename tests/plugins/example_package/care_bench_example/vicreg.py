"""VICReg (Bardes et al. 2022, arXiv 2105.04906): variance, invariance and covariance terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import torch
from pydantic import NonNegativeFloat
from torch import Tensor
from torch.nn import functional

from care_bench.config import MethodSettings
from care_bench.methods import Context, SiameseMethod, View
from care_bench.models import Encoder


class VICRegSettings(MethodSettings):
    """Keys of the method in a profile; an unknown key or a value out of range is an error in one line."""

    siamese = True  # the terms need only the features of two views: EquiMod and others can wrap it
    name: Literal["vicreg"]
    invariance_weight: NonNegativeFloat = 25.0
    """Weight of the distance between the two views' projections."""
    variance_weight: NonNegativeFloat = 25.0
    """Weight of the hinge that keeps the standard deviation of every dimension at 1 or above."""
    covariance_weight: NonNegativeFloat = 1.0
    """Weight of the term that decorrelates the dimensions."""


class VICReg(SiameseMethod):
    """The paper's three terms on the projection head's output, which is not scaled to the sphere."""

    Settings = VICRegSettings

    def __init__(self, invariance: float, variance: float, covariance: float) -> None:
        super().__init__()
        self.weights = {"invariance": invariance, "variance": variance, "covariance": covariance}

    @classmethod
    def from_settings(cls, settings: VICRegSettings, context: Context) -> Self:
        """Build from settings."""
        return cls(settings.invariance_weight, settings.variance_weight, settings.covariance_weight)

    def terms(self, encoder: Encoder, features: Sequence[Tensor], views: Sequence[View]) -> dict[str, Tensor]:
        """Return the three terms; care_bench weights, adds and logs them."""
        first, second = (encoder.head(view) for view in features)
        return vicreg_terms(first, second)


def vicreg_terms(z1: Tensor, z2: Tensor) -> dict[str, Tensor]:
    """Return the terms of VICReg, unweighted (Algorithm 1).

    Args:
        z1, z2: (n, d) projections of the two views of a batch, n >= 2.

    Returns:
        invariance: mean squared difference, over batch and dimensions.
        variance: v(z1) + v(z2), where v is the mean over dimensions of max(0, 1 - standard deviation).
            The authors' released code takes half of it.
        covariance: c(z1) + c(z2), where c is the sum of the squared covariances off the diagonal over d.
    """
    return {
        "invariance": functional.mse_loss(z1, z2),
        "variance": _variance(z1) + _variance(z2),
        "covariance": _covariance(z1) + _covariance(z2),
    }


def _variance(z: Tensor) -> Tensor:
    return functional.relu(1 - (z.var(dim=0) + 1e-4).sqrt()).mean()


def _covariance(z: Tensor) -> Tensor:
    with torch.autocast(z.device.type, enabled=False):  # a matrix product in half precision loses small covariances
        centred = z - z.mean(dim=0)
        covariance = centred.mT @ centred / (len(z) - 1)
        return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]
