"""Cosine between an embedding and its augmented view: how evenly one augmentation moves a whole test set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from care_bench.evaluation.checks import embedded_views

BINS = 40
"""Bins over [-1, 1], each 0.05 wide; half-open to the right but for the last."""


@dataclass(frozen=True)
class CosineStatistics:
    """Cosines of f(x) and f(a(x)) over the test set, for each augmentation.

    Attributes:
        mean: (A,).
        variance: (A,), unbiased (ddof 1); zero for an encoder that turns every input by one angle.
        fraction_opposed: (A,), share of the samples whose cosine lies in [-1, -0.5].
        counts: (A, 40) int64, samples in each bin; a row sums to n.
        edges: (41,) float64, the bins' edges from -1 to 1.
    """

    mean: Tensor
    variance: Tensor
    fraction_opposed: Tensor
    counts: Tensor
    edges: Tensor


@torch.no_grad()
def cosine_statistics(z: Tensor, za: Tensor) -> CosineStatistics:
    """Return mean, variance and histogram of cos(f(x), f(a(x))) for each augmentation, in float64.

    Args:
        z: (n, d) embeddings of the plain samples, n >= 2; their norms do not matter but must not be zero.
        za: (A, n, d), or (n, d) for one augmentation: embeddings of the same samples in the same order.

    Returns:
        Tensors on the device of z; A is 1 for a single augmentation.

    Raises:
        ValueError: shapes do not match, n < 2, a value is not finite, or an embedding is zero and has no angle.

    Source: Fig. 6 of CARE (arXiv 2306.13924), there with 20 augmentations and d = 2; protocol cosine-v1.
    """
    z, views = embedded_views(z, za, at_least=2)
    plain = _directions(z, "z")
    cosines = torch.stack([(plain * _directions(view, "za")).sum(dim=1) for view in views]).clamp(-1, 1)
    edges = torch.linspace(-1, 1, BINS + 1, dtype=torch.float64, device=z.device)
    bins = torch.bucketize(cosines, edges[1:-1], right=True)
    counts = torch.zeros(len(views), BINS, dtype=torch.int64, device=z.device)
    return CosineStatistics(
        mean=cosines.mean(dim=1),
        variance=cosines.var(dim=1),
        fraction_opposed=(cosines <= -0.5).double().mean(dim=1),
        counts=counts.scatter_add_(1, bins, torch.ones_like(bins)),
        edges=edges,
    )


def _directions(z: Tensor, name: str) -> Tensor:
    """Return the rows of z over their norms, in float64."""
    norms: Tensor = torch.linalg.vector_norm(z.double(), dim=1, keepdim=True)
    zero = int((norms == 0).sum())
    if zero:
        raise ValueError(f"{name} holds {zero} zero embedding(s) of {len(z)}; expected none, zero has no direction")
    return z.double() / norms
