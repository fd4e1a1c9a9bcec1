"""The exponents of every bound in epsilon and in the norm of A's pseudo-inverse.

Each family of examples follows its bound to the edge: the points span some directions with a singular value from 0.3
down to 1e-3, and the views leave them along those directions. Its left side must then grow with the exponents that the
bound has. A bound that grows faster would be loose there, and one that grows slower would be false.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from care_bench.metrics import composition_error
from theory_checks.measures import distance, gram_gap, procrustes
from theory_checks.measures_bounds import epsilon_squared, inverse_norm, loosest_map, residual_bound
from theory_checks.observing import Statement, observe_bound
from theory_checks.orders import Exponent, exponents
from theory_checks.strategies import generator, make_full_rank_points

TEXT = "At its edge the left side of {} grows like ε^{} and like ‖A†‖^{}, as its bound does."
SMALLEST = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
FRACTIONS = (0.1, 0.03, 0.01)
"""Norm of a step, relative to the smallest singular value: far below 1 / sqrt 2, where higher orders vanish."""
SLACK = 0.02
"""What the orders that are left over can move an exponent by."""


@dataclass(frozen=True)
class Family:
    """Examples at the edge of a bound: (smallest singular value, step / it, seed) -> (left side, ε^2, ‖A†‖)."""

    bound: str
    source: str
    epsilon: int
    inverse: int
    example: Callable[[float, float, int], tuple[float, float, float]]

    @property
    def statement(self) -> Statement:
        """What the ledger says of the family."""
        text = TEXT.format(self.bound.replace("-", " "), self.epsilon, self.inverse)
        return Statement(f"{self.bound}-exponents", text, self.source, "holds")


def outwards(a: Tensor, seed: int, size: float, along: int = -1) -> Tensor:
    """Return a step of a norm along a right singular vector, by amounts orthogonal to the columns of a."""
    amounts = torch.from_numpy(generator("outwards", seed).standard_normal(len(a)))
    basis = torch.linalg.qr(a).Q
    amounts -= basis @ (basis.mT @ amounts)
    return torch.outer(size * amounts / amounts.norm(), torch.linalg.svd(a).Vh[along])


def on_the_sphere(smallest: float, fraction: float, seed: int) -> tuple[float, float, float]:
    a = make_full_rank_points(12, 3, seed, smallest)
    b = normalize(a + outwards(a, seed, fraction * smallest), dim=1)
    return procrustes(a, b)[1], epsilon_squared(a, b), inverse_norm(a)


def of_one_sample(smallest: float, fraction: float, seed: int) -> tuple[float, float, float]:
    a = make_full_rank_points(12, 3, seed, smallest)
    b = normalize(a + outwards(a, seed, fraction * smallest), dim=1)
    return float((b - a @ procrustes(a, b)[0].mT).norm(dim=1).max()), epsilon_squared(a, b), inverse_norm(a)


def off_the_sphere(smallest: float, fraction: float, seed: int) -> tuple[float, float, float]:
    a = make_full_rank_points(12, 3, seed, smallest)
    b = a + outwards(a, seed, fraction * smallest)
    return procrustes(a, b)[1], gram_gap(a, b), inverse_norm(a)


def idempotent(smallest: float, fraction: float, seed: int) -> tuple[float, float, float]:
    """The images are fixed, and the plain embeddings lie off them."""
    images = make_full_rank_points(12, 3, seed, smallest)
    plain = normalize(images + outwards(images, seed, fraction * smallest), dim=1)
    size = epsilon_squared(torch.cat([plain, images]), images.repeat(2, 1))
    return distance(images, plain), size, inverse_norm(images)


def two_steps(smallest: float, fraction: float, seed: int) -> tuple[float, float, float]:
    """Views leave along one weak direction and then along another, by the same amounts of each sample."""
    a = make_full_rank_points(12, 4, 0, smallest, weak=2)  # the two weak singular values keep their ratio
    b = normalize(a + outwards(a, seed, fraction * smallest), dim=1)
    c = normalize(b + outwards(a, seed, fraction * smallest, along=-2), dim=1)
    size = max(epsilon_squared(*views) for views in ((a, b), (b, c), (a, c)))
    return float(composition_error(a, b, c).frobenius), size, inverse_norm(a)


def loosest_maps(smallest: float, fraction: float, seed: int) -> tuple[float, float, float]:
    """An invariant encoder, and maps turned in the plane of two weak directions as far as Prop. 3 allows."""
    a = make_full_rank_points(4, 4, 0, smallest, weak=2)
    first, second = torch.linalg.svd(a).Vh[-2:]
    skew, eye = torch.outer(first, second) - torch.outer(second, first), torch.eye(4, dtype=a.dtype)
    size = (fraction * smallest) ** 2
    there, back = (loosest_map(a, a, eye, sign * skew, residual_bound(a, size)) for sign in (1.0, -1.0))
    return distance(back, there @ there), size, inverse_norm(a)


FAMILIES = (
    Family("prop-3", "Prop. 3", 2, 1, on_the_sphere),
    Family("prop-3-per-sample", "Prop. 3, per sample", 2, 1, of_one_sample),
    Family("prop-6", "Prop. 6", 2, 1, off_the_sphere),
    Family("point-2-invariance", "point 2", 2, 1, idempotent),
    Family("cor-2-second-order", "sharpens Cor. 2", 4, 4, two_steps),
    Family("cor-2-corrected", "Cor. 2, steps of its proof", 2, 2, loosest_maps),
)
STATEMENTS = tuple(family.statement for family in FAMILIES)


def measured(family: Family) -> tuple[Exponent, Exponent]:
    """Return the exponents in ε and in the norm of the pseudo-inverse, each point from a draw of its own."""
    grid = [(smallest, fraction) for smallest in SMALLEST for fraction in FRACTIONS]
    values, gaps, norms = zip(*(family.example(*at, seed) for seed, at in enumerate(grid)), strict=True)
    return exponents(values, [math.sqrt(gap) for gap in gaps], norms)


def assert_exponent(found: Exponent, expected: float) -> None:
    """Assert that the interval is narrow and holds the expected exponent."""
    assert found.half < 0.2, f"{found} is too wide to tell"
    assert abs(found.value - expected) <= found.half + SLACK, f"{found}, expected {expected}"


@pytest.mark.parametrize(
    "family", [pytest.param(f, id=f.bound, marks=pytest.mark.statement(f.statement.id)) for f in FAMILIES]
)
def test_the_left_side_grows_with_the_exponents_of_its_bound(family: Family) -> None:
    found = measured(family)
    for name, exponent, expected in zip(("ε", "‖A†‖"), found, (family.epsilon, family.inverse), strict=True):
        miss, allowed = abs(exponent.value - expected), exponent.half + SLACK
        case = f"exponent {exponent} of {name}, σ from 0.3 to 1e-3"
        observe_bound(family.statement.id, value=miss, bound=allowed, case=case)
        assert_exponent(exponent, expected)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.bound)
def test_control_other_exponents_and_a_capped_pseudo_inverse_are_seen(family: Family) -> None:
    grid = [(smallest, fraction) for smallest in SMALLEST for fraction in FRACTIONS]
    values, gaps, norms = zip(*(family.example(*at, seed) for seed, at in enumerate(grid)), strict=True)
    capped = exponents(values, np.sqrt(gaps), np.minimum(norms, 30.0))
    with pytest.raises(AssertionError, match=r"expected|too wide"):
        assert_exponent(capped[1], family.inverse)
    with pytest.raises(AssertionError, match="expected"):
        assert_exponent(measured(family)[0], family.epsilon - 1)
    with pytest.raises(AssertionError, match="expected"):
        assert_exponent(measured(family)[1], family.inverse + 1)
