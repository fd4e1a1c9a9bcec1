"""Gradient ascent on the bounds: how tight they are, and whether the hypotheses and terms they have are needed.

Points come from a search on formulas for automatic differentiation; the functions of the package measure what it found.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from care_bench.metrics import composition_error
from theory_checks.ascent import (
    Ratio,
    ascend,
    best_map,
    composition,
    gap,
    largest_row,
    residual,
    smallest_singular,
    steps_from,
)
from theory_checks.measures import gram_gap, procrustes, smallest_singular_value
from theory_checks.measures_bounds import (
    ATTAINED,
    PRINTED,
    SHARP,
    composition_bounds,
    inverse_norm,
    is_admissible,
    residual_bound,
)
from theory_checks.observing import Statement, observe_bound, observe_counterexample
from theory_checks.tolerances import EXACT

STATEMENTS = (
    Statement(
        "prop-3-ascent",
        "On the unit sphere gradient ascent finds no residual above (√3-1)‖A†‖ε², and comes within 10 % of it.",
        "Prop. 3, tightness",
        "holds with assumption: A has full rank and ‖A†‖ε <= 1/√2",
    ),
    Statement(
        "prop-3-per-sample-ascent",
        "On the unit sphere gradient ascent finds no single sample further than (√3-1)‖A†‖ε² from its image.",
        "Prop. 3, per sample",
        "holds with assumption: A has full rank and ‖A†‖ε <= 1/√2",
    ),
    Statement(
        "prop-6-ascent",
        "Off the sphere gradient ascent brings the residual of Prop. 6 to (√3-1)‖A†‖ε² and no further.",
        "Prop. 6, tightness",
        "holds with assumption: A has full rank and ‖A†‖ε <= 1/√2; beyond it the ascent reaches (2√2-2)^(-1/2)‖A†‖ε²",
    ),
    Statement(
        "cor-2-second-order-ascent",
        "Gradient ascent finds no ‖ρ(a'∘a) - ρ(a')ρ(a)‖ above ‖A†‖² r r' / (1 - ‖A†‖(r + r')) for the Procrustes maps.",
        "sharpens Cor. 2",
        "holds with assumption: ‖A†‖(r + r') < 1; without the denominator the bound fails",
    ),
    Statement(
        "cor-2-printed-ascent",
        "Gradient ascent finds no composition error of Procrustes maps above the last line of the proof of Cor. 2.",
        "Cor. 2, last line of its proof",
        "holds with assumption: every ρ is the Procrustes map, ρ(a') fitted on the embeddings of a(x)",
    ),
)
STARTS, STEPS = 2, 80
SIZES = [(4, 2, None), (6, 3, 1e-2), (6, 3, 1e-3)]


def starts(n: int, d: int, smallest: float | None, count: int) -> list[list[Tensor]]:
    return [steps_from(n, d, seed, count, smallest) for seed in range(STARTS)]


def of_prop_3(left: Callable[[Tensor, Tensor], Tensor], admissible: bool = True) -> Ratio:
    """Return left side / (‖A†‖ε²) and how much room ‖A†‖ε <= 1/√2 leaves."""

    def ratio(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        size, inverse = gap(a, b), 1 / smallest_singular(a)
        room = 0.5 - inverse**2 * size if admissible else torch.ones(())
        return left(a, b) / (inverse * size), room

    return ratio


@pytest.mark.statement("prop-3-ascent", "prop-3-per-sample-ascent")
@pytest.mark.parametrize(("n", "d", "smallest"), SIZES)
def test_ascent_on_the_sphere_stays_within_prop_3_and_nearly_reaches_its_best_constant(
    n: int, d: int, smallest: float | None
) -> None:
    for statement, left in (("prop-3-ascent", residual), ("prop-3-per-sample-ascent", largest_row)):
        a, b = ascend(of_prop_3(left), starts(n, d, smallest, 2), STEPS)
        size = gram_gap(a, b)
        best, found = procrustes(a, b)
        if left is largest_row:
            found = float((b - a @ best.mT).norm(dim=1).max())
        case = f"n={n} d={d} σ={smallest_singular_value(a):.1g} by gradient ascent"
        observe_bound(statement, value=found, bound=residual_bound(a, size, ATTAINED), case=case)
        assert is_admissible(a, size - EXACT)
        assert found <= residual_bound(a, size, ATTAINED) + EXACT
        assert found > (0.66 if left is residual else 0.4) * inverse_norm(a) * size


@pytest.mark.statement("prop-6-ascent")
@pytest.mark.parametrize(("n", "d", "smallest"), SIZES)
def test_ascent_off_the_sphere_reaches_the_best_constants_with_and_without_the_condition(
    n: int, d: int, smallest: float | None
) -> None:
    found = {}
    for admissible in (True, False):
        a, b = ascend(of_prop_3(residual, admissible), starts(n, d, smallest, 2), STEPS, unit=False)
        size = gram_gap(a, b)
        found[admissible] = procrustes(a, b)[1] / (inverse_norm(a) * size)
        case = f"n={n} d={d} σ={smallest_singular_value(a):.1g} by gradient ascent"
        if admissible:
            observe_bound("prop-6-ascent", value=found[True], bound=ATTAINED, case=case)
            assert is_admissible(a, size * (1 - EXACT))
        else:
            observe_counterexample("prop-6-ascent", value=found[False], bound=ATTAINED, case=case)
    assert 0.95 * ATTAINED < found[True] <= ATTAINED * (1 + 1e-6)
    assert 0.99 * SHARP < found[False] <= SHARP * (1 + 1e-6)


def of_two_residuals(denominator: bool) -> Ratio:
    """Return composition error / (‖A†‖² r r'), over the denominator or not, and the room that it leaves."""

    def ratio(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        inverse, first, second = 1 / smallest_singular(a), residual(a, b), residual(b, c)
        room = 1 - inverse * (first + second)
        error = composition(a, b, c) / (inverse**2 * first * second)
        return error * room.clamp(min=1e-6) if denominator else error, room - 0.01

    return ratio


@pytest.mark.statement("cor-2-second-order-ascent")
@pytest.mark.parametrize(("n", "d", "smallest"), [(3, 3, None), (5, 4, None), (6, 3, 1e-2)])
def test_ascent_needs_the_denominator_of_the_bound_by_two_residuals(n: int, d: int, smallest: float | None) -> None:
    for denominator in (True, False):
        a, b, c = ascend(of_two_residuals(denominator), starts(n, d, smallest, 3), STEPS)
        residuals = procrustes(a, b)[1], procrustes(b, c)[1]
        product = inverse_norm(a) ** 2 * math.prod(residuals)
        bound = product / (1 - inverse_norm(a) * sum(residuals))
        error = float(composition_error(a, b, c).frobenius)
        case = f"n={n} d={d} σ={smallest_singular_value(a):.1g} by gradient ascent"
        observe_bound("cor-2-second-order-ascent", value=error, bound=bound, case=case)
        assert error <= bound
        if denominator:
            assert error > 0.3 * bound
        else:
            observe_counterexample("cor-2-second-order-ascent", value=error, bound=product, case=case)
            assert error > 1.02 * product


@pytest.mark.statement("cor-2-printed-ascent")
@pytest.mark.parametrize(("n", "d", "smallest"), [(3, 3, None), (5, 4, None), (4, 3, 0.1)])
def test_ascent_finds_no_procrustes_maps_beyond_the_printed_bound(n: int, d: int, smallest: float | None) -> None:
    def ratio(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        size = torch.stack([gap(a, b), gap(b, c), gap(a, c)]).max()
        first, second = smallest_singular(a), smallest_singular(b)
        room = 0.5 - size / torch.minimum(first, second) ** 2
        defect = best_difference(a, b, c)
        return torch.linalg.vector_norm(a @ defect.mT, dim=1).max() * first / (PRINTED * size), room

    a, b, c = ascend(ratio, starts(n, d, smallest, 3), STEPS)
    size = max(gram_gap(*pair) for pair in ((a, b), (b, c), (a, c)))
    bounds = composition_bounds(a, b, size)
    error = float(composition_error(a, b, c).frobenius)
    per_sample = float((a @ best_difference(a, b, c).mT).norm(dim=1).max())
    case = f"n={n} d={d} σ={smallest_singular_value(a):.1g} by gradient ascent"
    observe_bound("cor-2-printed-ascent", value=error, bound=bounds["printed"], case=case)
    assert is_admissible(a, size * (1 - EXACT))
    assert error <= bounds["printed"]
    assert per_sample <= bounds["printed per sample"]


def best_difference(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Return the best map from a to c minus the product of those from a to b and from b to c."""
    return best_map(a, c) - best_map(b, c) @ best_map(a, b)
