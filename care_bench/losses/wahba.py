"""Wahba's error as a training loss: the distance of the second view from the best rotation of the first.

Source: Wahba's problem as CARE measures it (Fig. 5 of arXiv 2306.13924), here per chunk and differentiable.
"""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn

from care_bench.losses.checks import autocast_off, check_choice, paired_chunks, positive_splits
from care_bench.names import Group

THIN_FROM = 256
"""Dimensions from which on the best map of at most half as many rows is applied as its two factors: 20 times as fast
for 16 rows of 2048. Below, its d x d entries cost little, and trained weights keep their bits."""


class WahbaLoss(nn.Module):
    """Mean squared distance between the second view and the best rotation of the first, chunk by chunk.

    Row i belongs to chunk i // (B / splits), as in :class:`care_bench.losses.Equivariance`. The loss is zero exactly
    when, in each chunk, the two views differ by an element of the group. In a chunk that spans less than R^d, such as
    one with fewer rows than dimensions, both groups give the same value: a reflection along a direction that no row
    has turns the best orthogonal map into a rotation.

    The best map is held constant when the gradient is taken. This is the gradient of the minimum over the maps
    (Danskin's theorem), and unlike the derivative of an SVD, which divides by differences of singular values, it is
    finite everywhere. Second derivatives are not those of the minimum. Computed in float32 or better for any
    input dtype, also under autocast; inputs that are not finite give nan.

    Args:
        splits: number of equal chunks the batch is divided into.
        group: "SO" for rotations, as in the paper's measure; "O" allows reflections as well.

    Raises:
        ValueError: splits is not a positive whole number or the group is unknown.

    Example:
        >>> import torch
        >>> z, quarter_turn = torch.eye(2), torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> round(WahbaLoss(splits=1)(z, z @ quarter_turn).item(), 6)
        0.0
    """

    def __init__(self, splits: int, group: Group = "SO") -> None:
        super().__init__()
        check_choice("group", group, get_args(Group))
        self.splits = positive_splits(splits)
        self.group = group

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the loss, a scalar in [0, 4] on unit rows, mean over the rows of a chunk and over the chunks.

        Args:
            z1: (B, d) rows, first views.
            z2: (B, d) rows, second views of the same inputs in the same order.

        Raises:
            ValueError: shapes differ, are not 2-D, B is not divisible by splits, or a chunk has one row only.
        """
        z1, z2 = paired_chunks(z1, z2, self.splits)
        with autocast_off(z1):
            left, right = _best_map(z1, z2, self.group)
            rows, dimension = z1.shape[1:]
            thin = dimension >= THIN_FROM and 2 * rows <= dimension
            turned = z1 @ right.mT @ left.mT if thin else z1 @ (left @ right).mT
            return (turned - z2).square().sum() / (len(z1) * rows)


@torch.no_grad()
def _best_map(z1: Tensor, z2: Tensor, group: Group) -> tuple[Tensor, Tensor]:
    """Return factors (splits, d, k) and (splits, k, d) of the R that minimises ||z1 @ R.T - z2||, chunk by chunk.

    R = U diag(1, ..., 1, det U det V) V^T where U Sigma V^T is the SVD of z2^T z1; for O the diagonal matrix is left
    out. The SVD is taken in the coordinates of the rows' spans: k x k with k = min(chunk, d). With fewer rows than
    dimensions R is returned on the span of z1 and is zero on its complement, where no row lies; a rotation extends it.
    """
    basis1, coordinates1 = torch.linalg.qr(z1.mT)
    basis2, coordinates2 = torch.linalg.qr(z2.mT)
    # The SVD raises an error at a nan; replaced here, the nan still reaches the loss through the residual.
    product = torch.nan_to_num(coordinates2 @ coordinates1.mT, nan=0.0, posinf=0.0, neginf=0.0)
    u, _, vh = torch.linalg.svd(product)
    left: Tensor = basis2 @ u
    right: Tensor = vh @ basis1.mT
    if group == "SO" and z1.shape[-2] >= z1.shape[-1]:
        left[..., -1] *= torch.linalg.det(left @ right).sign()[:, None]
    return left, right
