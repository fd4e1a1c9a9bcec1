"""Uniformity: how evenly embeddings spread over the sphere (the paper's non-collapse term)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from care_bench.losses.checks import autocast_off, rows

ROWS_AT_ONCE = 2048
"""Rows of the Gram matrix held at a time, so that a whole test set fits into memory."""


def uniformity(z: Tensor) -> Tensor:
    """Return log E exp(f(x).f(x')), the expectation taken over the n (n - 1) ordered pairs of different rows.

    A row is not paired with itself: x and x' are independent draws, so i = j has probability zero. Such pairs would
    add the constant e / n to the mean, a bias that depends on the batch size alone. Without them the mean is an
    unbiased estimate of the expectation for every n.

    Args:
        z: (n, d) unit rows, n >= 2.

    Returns:
        Scalar in [-1, 1] on unit rows, float32 or better; 1 when all rows coincide, about 1 / (2 d) when uniform.

    Raises:
        ValueError: z is not 2-D or has fewer than two rows.

    Source: the uniformity loss of CARE (arXiv 2306.13924).

    Example:
        >>> import torch
        >>> uniformity(torch.eye(3)).item()
        0.0
    """
    z = rows(z, "z", at_least=2)
    with autocast_off(z):
        log_sums = []
        for start in range(0, len(z), ROWS_AT_ONCE):
            similarity = z[start : start + ROWS_AT_ONCE] @ z.mT
            similarity.diagonal(start).fill_(-torch.inf)
            log_sums.append(similarity.logsumexp(dim=1))
        return torch.cat(log_sums).logsumexp(dim=0) - math.log(len(z) * (len(z) - 1))
