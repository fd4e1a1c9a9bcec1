"""Measures of embeddings and maps, which the checks compare. Rows are samples: B ~ A @ R.T."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from care_bench.losses import Equivariance
from care_bench.metrics import wahba
from theory_checks.tolerances import EXACT

_EQUIVARIANCE = Equivariance(splits=1)


def procrustes(a: Tensor, b: Tensor) -> tuple[Tensor, float]:
    """Return the best orthogonal map from a to b and its residual, by care_bench.metrics.wahba over O(d).

    Args:
        a: (n, d) embeddings.
        b: (n, d) embeddings of the augmented samples, in the same order.

    Returns:
        R (d, d) and the Frobenius norm of b - a @ R.T.
    """
    solution = wahba(a, b, group="O")
    return solution.rotation, float(solution.error)


def gram_gap(a: Tensor, b: Tensor) -> float:
    """Return the Frobenius norm of A A^T - B B^T, diagonal included."""
    return float(torch.linalg.matrix_norm(a @ a.mT - b @ b.mT))


def pairwise_loss(a: Tensor, b: Tensor) -> float:
    """Return the finite-sample loss of Prop. 2 and 3: the sum of squared Gram differences over all pairs i, j."""
    return gram_gap(a, b) ** 2


def equivariance_loss(a: Tensor, b: Tensor) -> float:
    """Return care_bench.losses.Equivariance(1)(a, b), the mean over the pairs of different rows; n >= 2."""
    return float(_EQUIVARIANCE(a, b))


def orthogonality_defect(r: Tensor) -> float:
    """Return the Frobenius norm of R^T R - I."""
    return float(torch.linalg.matrix_norm(r.mT @ r - torch.eye(r.shape[-1], dtype=r.dtype)))


def distance(r: Tensor, s: Tensor) -> float:
    """Return the Frobenius norm of R - S."""
    return float(torch.linalg.matrix_norm(r - s))


def smallest_singular_value(a: Tensor) -> float:
    """Return the d-th singular value of the (n, d) embeddings: zero where they do not span R^d."""
    values = torch.linalg.svdvals(a)
    return float(values[-1]) if a.shape[0] >= a.shape[1] else 0.0


def numerical_rank(a: Tensor, relative: float = 1e-9) -> int:
    """Return how many singular values exceed ``relative`` times the largest."""
    values = torch.linalg.svdvals(a)
    return int((values > relative * values[0]).sum())


def off_map(a: Tensor, b: Tensor, r: Tensor) -> float:
    """Return the Frobenius norm of b - a @ R.T: how far b is from the image of a under one given map."""
    return float(torch.linalg.matrix_norm(b - a @ r.mT))


def least_gap(residual: float, smallest_singular: float) -> float:
    """Return the smallest gap ||A A^T - B B^T||_F that a Procrustes residual leaves possible by Prop. 3.

    By Prop. 3 the gap eps^2 is at least residual / ((1 + sqrt 2) ||A+||), or it is above 1 / (2 ||A+||^2), too large
    for the proposition to apply; ||A+|| is 1 / smallest singular value of A.
    """
    return min(residual * smallest_singular / (1 + math.sqrt(2)), smallest_singular**2 / 2)


def rounding_of_procrustes(a: Tensor) -> float:
    """Return how much rounding can add to the Procrustes residual of embeddings a that an orthogonal map fits exactly.

    Procrustes takes the SVD of the cross-covariance, whose singular values are the squares of those of A. A direction
    with singular value s is determined to about eps / s^2 (of ||A||^2), which adds eps / s to the residual, and never
    more than 2 s. The largest error is about sqrt(eps), at s = sqrt(eps): nearly coinciding points.
    """
    values = torch.linalg.svdvals(a)
    unit = 50 * torch.finfo(a.dtype).eps * values[0] ** 2
    seen = values[values > 0]
    return float(torch.minimum(2 * seen, unit / seen).norm())


def rounding_of_maps(a: Tensor) -> float:
    """Return how much rounding can turn the Procrustes map of embeddings a: eps ||A||^2 / sigma_min^2, and EXACT."""
    values = torch.linalg.svdvals(a)
    return EXACT + 50 * torch.finfo(a.dtype).eps * float(values[0] / values[-1]) ** 2


def log_log_slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the least-squares slope of log y on log x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def composition_defect(maps: Tensor, table: Tensor) -> float:
    """Return the largest Frobenius norm of R_ab - R_a R_b over all pairs of a group.

    Args:
        maps: (G, d, d), one map per element.
        table: (G, G) whole numbers, table[a, b] the element ab.
    """
    products = torch.einsum("aij,bjk->abik", maps, maps)
    return float(torch.linalg.matrix_norm(maps[table] - products).max())
