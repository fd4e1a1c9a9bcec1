"""Measures of perturbations: epsilon, what the bounds allow, and a search for the worst case.

Throughout, epsilon is the smallest one the hypothesis allows: the finite sum of squared Gram differences is epsilon^4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy.linalg
import torch
from torch import Tensor
from torch.nn.functional import normalize

from theory_checks.measures import equivariance_loss, off_map, smallest_singular_value
from theory_checks.strategies import generator, make_orthogonal

PRINTED = 1 + math.sqrt(2)
"""The constant of Prop. 3 and 6."""
SHARP = math.sqrt(1 / (2 * (math.sqrt(2) - 1)))
"""Tu et al. 2016 (arXiv 1507.03566): this one, 1.0987, holds without ||A^+|| epsilon <= 1/sqrt(2), and is attained."""
ATTAINED = math.sqrt(3) - 1
"""The largest constant, 0.7321, that a perturbation with ||A^+|| epsilon <= 1/sqrt(2) is known to need."""
DIRECTIONS = ("random", "weakest", "outside")


def epsilon_squared(a: Tensor, b: Tensor) -> float:
    """Return epsilon^2 of Prop. 3 for n >= 2 unit rows: the root of the SUM over pairs; the loss is their mean."""
    n = len(a)
    return math.sqrt(n * (n - 1) * equivariance_loss(a, b))


def inverse_norm(a: Tensor) -> float:
    """Return ||A^+||, one over the d-th singular value of (n, d) embeddings that span R^d."""
    return 1 / smallest_singular_value(a)


def is_admissible(a: Tensor, gap: float) -> bool:
    """Return whether ||A^+|| epsilon <= 1/sqrt(2) with gap = epsilon^2."""
    return inverse_norm(a) ** 2 * gap <= 0.5


def residual_bound(a: Tensor, gap: float, constant: float = PRINTED) -> float:
    """Return constant * ||A^+|| epsilon^2 with gap = epsilon^2."""
    return constant * inverse_norm(a) * gap


def perturb(a: Tensor, direction: str, size: float, seed: int) -> Tensor:
    """Return unit rows near those of a.

    Args:
        a: (n, d) unit rows.
        direction: "random"; "weakest" (all rows along the direction the embeddings span least, by random amounts);
            "outside" (the same by amounts orthogonal to every column of a, where the Gram matrix changes least).
        size: norm of the step before the rows are normalised.
        seed: of the numpy generator.
    """
    step = generator("perturbation", seed).standard_normal(a.shape)
    if direction != "random":
        weakest = torch.linalg.svd(a).Vh[-1].numpy()
        amounts = step[:, :1]
        if direction == "outside" and a.shape[0] > a.shape[1]:
            basis = np.linalg.qr(a.numpy())[0]
            amounts = amounts - basis @ (basis.T @ amounts)
        step = amounts * weakest
    return normalize(a + torch.from_numpy(step) * (size / float(np.linalg.norm(step))), dim=1)


def admissible_perturbation(a: Tensor, direction: str, size: float, seed: int) -> Tensor:
    """Return :func:`perturb` with the size halved until ||A^+|| epsilon <= 1/sqrt(2)."""
    while not is_admissible(a, epsilon_squared(a, b := perturb(a, direction, size, seed))):
        size /= 2
    return b


def chain(a: Tensor, direction: str, size: float, seed: int) -> tuple[Tensor, Tensor, float]:
    """Return embeddings of a(x) and a'(a(x)) near rotated ones of x, and the largest epsilon^2 of a, a' and a'∘a.

    The size is halved until epsilon is admissible for the embeddings of x and of a(x).
    """
    d = a.shape[1]
    first, second = (make_orthogonal(d, seed + i) for i in (1, 2))
    while True:
        b = perturb(a, direction, size, seed) @ first.mT
        c = perturb(b, direction, size, seed + 1) @ second.mT
        gap = max(epsilon_squared(a, b), epsilon_squared(b, c), epsilon_squared(a, c))
        if smallest_singular_value(b) > 0 and is_admissible(a, gap) and is_admissible(b, gap):
            return b, c, gap
        size /= 2


def basis_inverse_norm(a: Tensor) -> float:
    """Return ||B^-1|| for d rows of a that form a basis, chosen by pivoted QR."""
    d = a.shape[1]
    rows = scipy.linalg.qr(a.numpy().T, mode="r", pivoting=True)[1][:d]
    return 1 / float(torch.linalg.svdvals(a[rows.tolist()])[-1])


def composition_bounds(a: Tensor, b: Tensor, gap: float) -> dict[str, float]:
    """Return Cor. 2's bound on ||rho(a'∘a) - rho(a') rho(a)||, as printed and with the terms that its proof needs.

    Args:
        a: (n, d) embeddings of x.
        b: (n, d) embeddings of a(x).
        gap: epsilon^2.

    Returns:
        "printed per sample", "corrected per sample", and "printed", "corrected" for the maps, in Frobenius norm.
    """
    printed = PRINTED * inverse_norm(a) * gap
    corrected = PRINTED * (inverse_norm(b) + 2 * inverse_norm(a)) * gap
    to_maps = math.sqrt(a.shape[1]) * basis_inverse_norm(a)
    return {
        "printed per sample": printed,
        "corrected per sample": corrected,
        "printed": printed * to_maps,
        "corrected": corrected * to_maps,
    }


def turned(r: Tensor, skew: Tensor, angle: float) -> Tensor:
    """Return exp(angle * skew) r, an orthogonal map that differs from r by about the angle."""
    return torch.linalg.matrix_exp(angle * skew) @ r


def loosest_map(a: Tensor, b: Tensor, r: Tensor, skew: Tensor, bound: float) -> Tensor:
    """Return the map furthest from r on the curve exp(t skew) r, t in [0, 1], whose residual is within the bound."""
    low, high = 0.0, 1.0
    for _ in range(25):
        middle = (low + high) / 2
        low, high = (middle, high) if off_map(a, b, turned(r, skew, middle)) <= bound else (low, middle)
    return turned(r, skew, low)


def climb(
    score: Callable[..., float], start: Sequence[Tensor], steps: int, seed: int, size: float = 0.1
) -> tuple[float, Sequence[Tensor]]:
    """Search for embeddings with a large score: random steps, kept when they help.

    Args:
        score: of as many (n, d) unit-row tensors as ``start`` has; minus infinity where a hypothesis is not met.
        start: where to begin.
        steps: how many to try.
        seed: of the numpy generator.
        size: of the first steps; steps grow when they help and shrink when they do not.

    Returns:
        The best score and where it is attained.
    """
    rng = generator("climb", seed)
    best, here = score(*start), list(start)
    for _ in range(steps):
        there = [normalize(x + size * torch.from_numpy(rng.standard_normal(x.shape)), dim=1) for x in here]
        value = score(*there)
        better = value > best
        best, here = (value, there) if better else (best, here)
        size = size * 1.3 if better else max(0.97 * size, 1e-5)
    return best, here
