"""CARE's equivariance loss: one augmentation must move all inputs of a chunk by one orthogonal map.

Source: Eq. 2 and Algorithm 1 of CARE (arXiv 2306.13924).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from care_bench.losses.checks import autocast_off, paired_rows, positive_splits

Fidelity = Literal["paper", "released-code"]
"""Whose equivariance loss: the paper's formula or what the authors' released code computes."""


class Equivariance(nn.Module):
    """Mean squared difference of the Gram matrices of two views, chunk by chunk.

    Row i belongs to chunk i // (B / splits); within a chunk every row of z1 comes from one augmentation a1 and every
    row of z2 from one a2. The loss is zero exactly when, in each chunk, the two views differ by an orthogonal map.
    Computed in float32 or better whatever the inputs, also under autocast.

    ``paper`` takes the mean over the pairs of different inputs. ``released-code`` is 2 (chunk - 1) times that: the
    code drops the diagonal, averages squared row norms over rows and doubles. A weight tuned on one scale means
    another thing on the other.

    Args:
        splits: into how many equal chunks the batch is divided.
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

    The pair of an input with itself is left out of the mean. It says nothing on the unit sphere, where both inner
    products are one, and this is the convention under which the released values are exactly 2 (chunk - 1) as large.
    """
    _check(splits, fidelity)
    z1, z2 = paired_rows(z1, z2)
    batch, dimension = z1.shape
    chunk, rest = divmod(batch, splits)
    if rest or chunk < 2:
        raise ValueError(
            f"a batch of {batch} rows in {splits} splits; expected a multiple of splits with at least 2 rows a chunk"
        )
    with autocast_off(z1):
        difference = _twice_gram_difference(z1, z2, (splits, chunk, dimension))
        total = difference.dot(difference)
    pairs = splits * chunk * (chunk - 1)
    # Paper and released code disagree here by the factor 2 (chunk - 1).
    scale = 1 if fidelity == "paper" else 2 * (chunk - 1)
    return total * (scale / (4 * pairs))


def _twice_gram_difference(z1: Tensor, z2: Tensor, chunks: tuple[int, int, int]) -> Tensor:
    """Return the entries of 2 (Z1 Z1^T - Z2 Z2^T) of every chunk, zero on the diagonal, as one vector.

    With S = Z1 + Z2 and M = Z1 - Z2 this is S M^T + M S^T: one product and its transpose where two Gram matrices
    take two products, and nothing cancels where the views nearly agree.
    """
    product = torch.bmm((z1 + z2).reshape(chunks), (z1 - z2).reshape(chunks).mT)
    itself = torch.eye(chunks[1], dtype=torch.bool, device=z1.device)
    return (product + product.mT).masked_fill(itself, 0.0).flatten()


def _check(splits: int, fidelity: str) -> None:
    positive_splits(splits)
    if fidelity not in get_args(Fidelity):
        raise ValueError(f"fidelity is {fidelity!r}; expected one of {', '.join(get_args(Fidelity))}")
