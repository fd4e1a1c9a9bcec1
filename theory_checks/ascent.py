"""Gradient ascent towards the tightest example of a bound, and towards its first violation.

The quantities are those of measures.py and measures_bounds.py, written for automatic differentiation. They only steer
the search: what it finds is measured again by the functions of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from theory_checks.descent import minimise
from theory_checks.strategies import generator, make_full_rank_points

PENALTY = 1e3
"""Weight of the squared amount by which a hypothesis is missed, beside the logarithm of the ratio."""

Ratio = Callable[..., tuple[Tensor, Tensor]]
"""From embeddings to (left side / bound, room): the hypothesis holds where the room is not negative."""


def ascend(ratio: Ratio, starts: Sequence[Sequence[Tensor]], steps: int, unit: bool = True) -> tuple[Tensor, ...]:
    """Increase a ratio by L-BFGS from several starts.

    Args:
        ratio: of as many (n, d) tensors as a start has.
        starts: where to begin.
        steps: of L-BFGS.
        unit: whether rows stay on the unit sphere.

    Returns:
        The embeddings with the largest ratio met on the way where the hypothesis holds.

    Raises:
        ArithmeticError: the hypothesis was met nowhere.
    """

    def rows(x: Tensor) -> tuple[Tensor, ...]:
        return tuple(normalize(x, dim=-1) if unit else x)

    def objective(x: Tensor) -> Tensor:
        value, room = ratio(*rows(x))
        return PENALTY * torch.relu(-room).square() - value.log()

    best, found = 0.0, None
    for start in starts:
        for x in minimise(objective, torch.stack(list(start)), steps, keep_every=1).iterates:
            value, room = ratio(*rows(x))
            if room >= 0 and value > best:
                best, found = float(value), rows(x)
    if found is None:
        raise ArithmeticError("the ascent met the hypothesis nowhere")
    return found


def steps_from(n: int, d: int, seed: int, count: int, smallest: float | None = None) -> list[Tensor]:
    """Return unit rows that span R^d and ``count`` - 1 more, each about 0.3 sigma_min away from the one before."""
    rng, rows = generator("ascent", seed), [make_full_rank_points(n, d, seed, smallest)]
    size = 0.3 * float(smallest_singular(rows[0])) / (n * d) ** 0.5
    for _ in range(count - 1):
        rows.append(normalize(rows[-1] + size * torch.from_numpy(rng.standard_normal((n, d))), dim=1))
    return rows


def best_map(a: Tensor, b: Tensor) -> Tensor:
    """Return the orthogonal R with the least ||b - a R^T||."""
    u, _, vh = torch.linalg.svd(b.mT @ a)
    return u @ vh


def residual(a: Tensor, b: Tensor) -> Tensor:
    """Return the Procrustes residual."""
    return torch.linalg.vector_norm(b - a @ best_map(a, b).mT)


def largest_row(a: Tensor, b: Tensor) -> Tensor:
    """Return the largest distance of one row from its image under the best map."""
    return torch.linalg.vector_norm(b - a @ best_map(a, b).mT, dim=1).max()


def gap(a: Tensor, b: Tensor) -> Tensor:
    """Return epsilon^2, the Frobenius norm of A A^T - B B^T."""
    return torch.linalg.vector_norm(a @ a.mT - b @ b.mT)


def smallest_singular(a: Tensor) -> Tensor:
    """Return the d-th singular value."""
    return torch.linalg.svdvals(a)[-1]


def composition(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Return the distance of the best map from a to c from the product of those from a to b and from b to c."""
    return torch.linalg.vector_norm(best_map(a, c) - best_map(b, c) @ best_map(a, b))
