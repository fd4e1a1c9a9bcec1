"""Alignment: how far apart the two views of one input lie (the paper's invariance loss)."""

from __future__ import annotations

import torch
from torch import Tensor

from care_bench.losses.checks import paired_rows


def alignment(z1: Tensor, z2: Tensor) -> Tensor:
    """Return the mean Euclidean distance between paired rows, E ||f(a(x)) - f(a'(x))||; not squared.

    The gradient of a pair that coincides is zero (a subgradient), so it is finite everywhere.

    Args:
        z1: (n, d) unit rows, first views.
        z2: (n, d) unit rows, second views of the same inputs in the same order.

    Returns:
        Scalar in [0, 2] on unit rows, float32 or better.

    Raises:
        ValueError: shapes differ, are not 2-D, or are empty.

    Source: the invariance loss of CARE (arXiv 2306.13924).

    Example:
        >>> import torch
        >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]])).item()
        2.0
    """
    z1, z2 = paired_rows(z1, z2)
    distances: Tensor = torch.linalg.vector_norm(z1 - z2, dim=1)
    return distances.mean()
