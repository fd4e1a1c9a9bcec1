"""Barlow Twins: the cross-correlation of two views should be the identity.

Source: Eq. 1 and 2 and Algorithm 1 of Barlow Twins (Zbontar et al. 2021, arXiv 2103.03230).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from care_bench.losses.checks import autocast_off, paired_rows


class BarlowTwins(nn.Module):
    """Sum of (1 - C_ii)^2 plus a weight times the sum of C_ij^2 off the diagonal.

    C is the (d, d) correlation between the dimensions of the first and of the second views over the batch. Computed
    in float32 or better for any input dtype, also under autocast.

    Args:
        off_diagonal_weight: the paper's lambda; 0.0051 is the weight it trains with.

    Raises:
        ValueError: the weight is negative or not finite.

    Example:
        >>> import torch
        >>> z = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])  # the two dimensions are equal: C_12 = C_21 = 1
        >>> round(BarlowTwins(off_diagonal_weight=0.5)(z, z).item(), 3)
        1.0
    """

    def __init__(self, off_diagonal_weight: float = 0.0051) -> None:
        super().__init__()
        if not (off_diagonal_weight >= 0 and math.isfinite(off_diagonal_weight)):
            raise ValueError(f"off_diagonal_weight is {off_diagonal_weight}; expected a finite number >= 0")
        self.off_diagonal_weight = off_diagonal_weight

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            z1: (B, d) outputs of the projector, not normalised, first views; B >= 2.
            z2: (B, d) likewise, second views of the same inputs in the same order.

        Raises:
            ValueError: shapes differ, are not 2-D, or B < 2.
        """
        on_diagonal, off_diagonal = barlow_twins_terms(z1, z2)
        return on_diagonal + self.off_diagonal_weight * off_diagonal


def barlow_twins_terms(z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
    """Return both terms of Barlow Twins without a weight.

    Args:
        z1: (B, d) outputs of the projector, not normalised, first views; B >= 2.
        z2: (B, d) likewise, second views.

    Returns:
        on the diagonal: sum over i of (1 - C_ii)^2, zero where the two views agree in every dimension.
        off the diagonal: sum over i != j of C_ij^2, zero where different dimensions are uncorrelated.

    Raises:
        ValueError: as :class:`BarlowTwins`.
    """
    z1, z2 = paired_rows(z1, z2, at_least=2)
    with autocast_off(z1):
        correlation = _standardised(z1).mT @ _standardised(z2) / len(z1)
        itself = torch.eye(len(correlation), dtype=torch.bool, device=correlation.device)
        on_diagonal = (1 - correlation.diagonal()).square().sum()
        return on_diagonal, correlation.masked_fill(itself, 0.0).square().sum()


def _standardised(z: Tensor) -> Tensor:
    """Return every dimension with mean 0 and biased variance 1 over the batch: BatchNorm1d without its affine map."""
    return functional.batch_norm(z, running_mean=None, running_var=None, training=True, eps=1e-5)
