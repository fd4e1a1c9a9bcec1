"""Retrieval: which train samples are nearest to a test sample, and whether an augmentation changes them.

Fig. 9 of CARE (arXiv 2306.13924) shows the five nearest neighbours of f(x) and of f(a(x)) and prints no number. The
numbers of protocol retrieval-v1 are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from care_bench.metrics.checks import embedded, embedded_views

NEIGHBOURS = 5
"""As in Fig. 9."""
DISTANCES_AT_ONCE = 2**24
"""Entries of the query-by-bank matrix held at a time (64 MiB in float32)."""


@dataclass(frozen=True)
class Retrieval:
    """Neighbours of the samples, plain and augmented, and the share of them that remains after each augmentation.

    Where all embeddings differ by rounding alone, rounding decides the neighbours.

    Attributes:
        neighbours: (m, 5) int64, rows of the bank nearest to each plain sample, the nearest first.
        augmented: (A, m, 5) int64, those of each augmentation.
        overlap: (A,) float64, mean share in % of the five neighbours of f(x) that are also neighbours of f(a(x)): 100
            for an invariant encoder, 500 / n for random neighbours.
    """

    neighbours: Tensor
    augmented: Tensor
    overlap: Tensor


@torch.no_grad()
def retrieval(bank: Tensor, z: Tensor, za: Tensor) -> Retrieval:
    """Find the five Euclidean nearest neighbours of plain and of augmented test samples among plain train samples.

    Args:
        bank: (n, d) embeddings of the plain train samples, n >= 5.
        z: (m, d) embeddings of the plain test samples.
        za: (A, m, d), or (m, d) for one augmentation: embeddings of the same samples in the same order.

    Returns:
        Tensors on the device of the embeddings. Ties of distance are broken arbitrarily.

    Raises:
        ValueError: shapes do not match, a value is not finite, or the bank is too small.
    """
    bank = embedded(bank, "bank", at_least=NEIGHBOURS)
    z, views = embedded_views(z, za)
    if z.shape[1] != bank.shape[1]:
        raise ValueError(f"z has {z.shape[1]} columns and the bank {bank.shape[1]}; expected as many")
    # Distances do not depend on the origin; with this one the squares that cancel are smallest.
    origin = bank.mean(dim=0)
    centred = bank - origin
    plain = _nearest(z - origin, centred)
    augmented = torch.stack([_nearest(view - origin, centred) for view in views])
    shared = [(plain[:, :, None] == found[:, None, :]).any(dim=2) for found in augmented]
    return Retrieval(plain, augmented, torch.stack([100 * found.double().mean() for found in shared]))


@torch.no_grad()
def factor_distance(neighbours: Tensor, factors: Tensor, bank_factors: Tensor) -> float:
    """Return how far a known factor of the neighbours, such as a colour, is from the query's; 1 for random neighbours.

    The mean Euclidean distance between the factor of a query and those of its neighbours, over the mean distance
    between queries and all samples of the bank, the expected distance of random neighbours: 1 for an embedding that
    does not encode the factor, 0 for one that encodes nothing else, with a bank that has every factor.

    Args:
        neighbours: (m, k) int64, rows of the bank.
        factors: (m, c) of the queries.
        bank_factors: (n, c).

    Raises:
        ValueError: shapes do not match, a value is not finite, or all samples share one factor.
    """
    bank_factors = embedded(bank_factors, "bank factors").double()
    factors = embedded(factors, "factors").double()
    if factors.shape != (len(neighbours), bank_factors.shape[1]):
        shape = (len(neighbours), bank_factors.shape[1])
        raise ValueError(f"factors have shape {tuple(factors.shape)}; expected {shape}, one row per query")
    found = torch.linalg.vector_norm(bank_factors[neighbours] - factors[:, None], dim=2).mean()
    blocks = torch.split(factors, _rows_at_once(bank_factors))
    expected = torch.cat([torch.cdist(block, bank_factors).mean(dim=1) for block in blocks]).mean()
    if expected == 0:
        raise ValueError(f"all {len(factors) + len(bank_factors)} samples share one factor; expected them to differ")
    return float(found / expected)


@torch.no_grad()
def factor_followed(found: Retrieval, factors: Tensor, bank_factors: Tensor) -> Tensor:
    """Return how far the neighbours follow an augmentation that changes a known factor, such as a colour.

    With d the mean Euclidean distance between the factor of an augmented query and those of some neighbours, this is
    1 - d(neighbours of the augmented query) / d(neighbours of the plain one): 0 where the neighbours do not follow, 1
    where they have exactly the new factor.

    Args:
        found: of m queries under A augmentations.
        factors: (A, m, c) of the augmented queries.
        bank_factors: (n, c).

    Returns:
        (A,) float64; nan or -inf where the neighbours of all plain queries have exactly the new factor already.

    Raises:
        ValueError: shapes do not match or a value is not finite.
    """
    bank_factors = embedded(bank_factors, "bank factors").double()
    expected = (*found.augmented.shape[:2], bank_factors.shape[1])
    if tuple(factors.shape) != expected:
        raise ValueError(f"factors have shape {tuple(factors.shape)}; expected {expected}, one row per augmented query")
    after = embedded(factors.flatten(0, 1), "factors").double().view(expected)[:, :, None]
    still, moved = (
        torch.linalg.vector_norm(bank_factors[rows] - after, dim=3).mean(dim=(1, 2))
        for rows in (found.neighbours[None], found.augmented)
    )
    followed: Tensor = 1 - moved / still
    return followed


def _nearest(queries: Tensor, bank: Tensor) -> Tensor:
    """Return the rows of the bank nearest to each query, (m, 5); the query's own norm does not change the ranking."""
    squares = bank.square().sum(dim=1)
    blocks = torch.split(queries.to(bank.dtype), _rows_at_once(bank))
    found = [torch.addmm(squares, block, bank.mT, alpha=-2).topk(NEIGHBOURS, largest=False).indices for block in blocks]
    return torch.cat(found)


def _rows_at_once(bank: Tensor) -> int:
    return max(1, DISTANCES_AT_ONCE // len(bank))
