"""CARE's equivariance loss: one augmentation must move all inputs of a chunk by one orthogonal map.

Source: Eq. 2 and Algorithm 1 of CARE (arXiv 2306.13924).
"""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn

from care_bench.losses.checks import autocast_off, check_choice, paired_chunks, positive_splits
from care_bench.names import Fidelity


class Equivariance(nn.Module):
    """Mean squared difference of the Gram matrices of two views, chunk by chunk.

    Row i belongs to chunk i // (B / splits); within a chunk every row of z1 comes from one augmentation a1 and every
    row of z2 from one a2. On unit rows the loss is zero exactly when, in each chunk, the two views differ by an
    orthogonal map; of other rows it does not compare the lengths. Computed in float32 or better for any
    input dtype, also under autocast.

    ``paper`` takes the mean over the pairs of different inputs. ``released-code`` is 2 (chunk - 1) times that: the
    code drops the diagonal, averages squared row norms over rows and doubles. A weight tuned for one does not carry
    over to the other.

    Args:
        splits: number of equal chunks the batch is divided into.
        fidelity: "paper" or "released-code".

    Raises:
        ValueError: splits is not a positive whole number or the fidelity is unknown.

    Example:
        >>> import torch
        >>> z, quarter_turn = torch.eye(2), torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> Equivariance(splits=1)(z, z @ quarter_turn).item()
        0.0
    """

    def __init__(self, splits: int, fidelity: Fidelity = "paper") -> None:
        super().__init__()
        _check(splits, fidelity)
        self.splits = splits
        self.fidelity = fidelity

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the loss, a scalar, mean over the chunks.

        Args:
            z1: (B, d) unit rows, first views.
            z2: (B, d) unit rows, second views of the same inputs in the same order.

        Raises:
            ValueError: shapes differ, are not 2-D, B is not divisible by splits, or a chunk has one row only.
        """
        return equivariance(z1, z2, self.splits, self.fidelity)


def equivariance(z1: Tensor, z2: Tensor, splits: int, fidelity: Fidelity = "paper") -> Tensor:
    """Return what :class:`Equivariance` returns.

    The mean leaves out the pair of an input with itself. On the unit sphere both inner products of such a pair are
    one, and with this convention the released values are exactly 2 (chunk - 1) times as large.
    """
    _check(splits, fidelity)
    z1, z2 = paired_chunks(z1, z2, splits)
    chunk = z1.shape[1]
    with autocast_off(z1):
        difference = _twice_gram_difference(z1, z2)
        total = difference.dot(difference)
    pairs = splits * chunk * (chunk - 1)
    # Paper and released code disagree here by the factor 2 (chunk - 1).
    scale = 1 if fidelity == "paper" else 2 * (chunk - 1)
    return total * (scale / (4 * pairs))


def _twice_gram_difference(z1: Tensor, z2: Tensor) -> Tensor:
    """Return the entries of 2 (Z1 Z1^T - Z2 Z2^T) of every chunk, zero on the diagonal, as one vector.

    With S = Z1 + Z2 and M = Z1 - Z2 this is S M^T + M S^T: one product and its transpose instead of the two products
    of two Gram matrices, and nothing cancels where the views nearly agree.
    """
    product = torch.bmm(z1 + z2, (z1 - z2).mT)
    itself = torch.eye(z1.shape[1], dtype=torch.bool, device=z1.device)
    return (product + product.mT).masked_fill(itself, 0.0).flatten()


def _check(splits: int, fidelity: str) -> None:
    positive_splits(splits)
    check_choice("fidelity", fidelity, get_args(Fidelity))
