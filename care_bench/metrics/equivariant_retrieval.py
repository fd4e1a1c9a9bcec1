"""Retrieval of the transformed input: does R f(x) find f(a(x)) among the f(a(x')) of other inputs?

As SIE and its successors report it (Garrido et al. 2023, arXiv 2302.10283), with a fitted orthogonal map in place of a
learnt predictor.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from care_bench.metrics.checks import embedded

DISTANCES_AT_ONCE = 2**22
"""Entries of the query-by-candidate matrix held at a time (32 MiB in float64)."""
TIE = 1e-6
"""Distances that differ by less, relative to the candidates' norm, are tied: rounding of float32."""


@dataclass(frozen=True)
class RankedTargets:
    """How high the transformed input ranks.

    Attributes:
        reciprocal_rank: mean over the queries of 1 / rank, (log n) / n by chance.
        hit_at_1: share in % of the queries whose own target is the nearest, 100 / n by chance.
        hit_at_5: share in % of the queries whose own target is among the five nearest.
    """

    reciprocal_rank: float
    hit_at_1: float
    hit_at_5: float


@torch.no_grad()
def equivariant_retrieval(predicted: Tensor, targets: Tensor) -> RankedTargets:
    """Rank the target of each query among all targets, by Euclidean distance; ties count against it.

    Args:
        predicted: (n, d) of the queries, such as R f(x).
        targets: (n, d), row i being what query i should find, such as f(a(x)).

    Raises:
        ValueError: the shapes differ, or a value is not finite.
    """
    predicted, targets = embedded(predicted, "predicted").double(), embedded(targets, "targets").double()
    if predicted.shape != targets.shape:
        raise ValueError(f"predicted has shape {tuple(predicted.shape)} and targets {tuple(targets.shape)}")
    origin = targets.mean(dim=0)
    predicted, targets = predicted - origin, targets - origin
    tie = TIE * torch.linalg.vector_norm(targets + origin, dim=1).mean()
    rows = max(1, DISTANCES_AT_ONCE // len(targets))
    ranks = []
    for start in range(0, len(predicted), rows):
        distances = torch.cdist(predicted[start : start + rows], targets)
        own = distances.diagonal(start)[:, None]
        ranks.append((distances <= own + tie).sum(dim=1))  # its own target is one of them
    rank = torch.cat(ranks).double()
    reciprocal, first, among_five = torch.stack(
        [rank.reciprocal().mean(), (rank <= 1).double().mean(), (rank <= 5).double().mean()]
    ).tolist()
    return RankedTargets(reciprocal_rank=reciprocal, hit_at_1=100 * first, hit_at_5=100 * among_five)
