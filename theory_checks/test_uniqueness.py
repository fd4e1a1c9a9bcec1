"""Points 3 and 4: how many maps fit at zero loss, and whether a rotation is among them."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from care_bench.metrics import wahba
from theory_checks.measures import (
    distance,
    equivariance_loss,
    numerical_rank,
    off_map,
    orthogonality_defect,
    procrustes,
    smallest_singular_value,
)
from theory_checks.observing import Statement, observe, observe_bound, observe_counterexample, sizes
from theory_checks.strategies import (
    full_rank_points,
    make_full_rank_points,
    make_orthogonal,
    make_points,
    seeds,
    sphere_points,
)
from theory_checks.tolerances import EXACT

STATEMENTS = (
    Statement(
        "prop-1-uniqueness",
        "R_a is unique.",
        "Prop. 1",
        "holds with assumption: the embeddings span R^d; below full rank a reflection off the span fits as well",
    ),
    Statement(
        "point-3-not-unique",
        "Embeddings that span less than R^d do not determine R_a: two maps at distance 2 fit with no residual.",
        "point 3",
        "holds",
    ),
    Statement(
        "point-3-rotation",
        "Where embeddings span less than R^d, a rotation fits at zero loss, whatever map made the views.",
        "point 3",
        "holds with assumption: rank < d",
    ),
    Statement(
        "point-3-unique",
        "Embeddings that span R^d determine the map: any other, R, has a residual of at least σ_min ‖R - R_a‖.",
        "point 3",
        "holds with assumption: rank = d",
    ),
    Statement(
        "point-4-reflection",
        "A reflection has zero loss and no rotation fits it: Wahba's error over SO(d) is exactly 2 σ_min(A).",
        "point 4",
        "holds with assumption: rank = d; where the embeddings span less, σ_min is zero and a rotation fits",
    ),
    Statement(
        "so-not-from-pairs",
        "SO(d) is not determined by pairs: any d - 1 points and their mirror images differ by a rotation, d "
        "independent points do not, and no loss of inner products distinguishes them.",
        "other groups",
        "holds",
    ),
)

dimensions = st.integers(2, 16)
extra = st.integers(0, 16)


@pytest.mark.statement("prop-1-uniqueness")
@given(full_rank_points(), seeds())
def test_on_a_full_span_every_other_map_misses(a: Tensor, seed: int) -> None:
    """Any other S in O(d) leaves at least the smallest singular value of A times its distance from R."""
    d = a.shape[1]
    r, other = make_orthogonal(d, seed), make_orthogonal(d, seed + 1)
    missed = off_map(a, a @ r.mT, other)
    least = smallest_singular_value(a) * distance(r, other)
    observe("prop-1-uniqueness", residual=max(0.0, least - missed), case=f"{sizes(a)} seed={seed}")
    assert missed >= least * (1 - EXACT) - EXACT
    subset = a[: len(a) - 1]
    assume(len(subset) >= d and smallest_singular_value(subset) > 1e-2)
    assert distance(procrustes(subset, subset @ r.mT)[0], r) <= EXACT


@pytest.mark.statement("prop-1-uniqueness")
@given(sphere_points(min_d=2, kind="rank_deficient"), seeds())
def test_below_full_rank_a_second_map_fits_and_one_of_the_two_is_a_rotation(a: Tensor, seed: int) -> None:
    d = a.shape[1]
    b = a @ make_orthogonal(d, seed).mT
    r, residual = procrustes(a, b)
    off_span = torch.linalg.svd(a, full_matrices=True)[2][-1]
    second = r - 2 * torch.outer(r @ off_span, off_span)
    worst = max(residual, off_map(a, b, second), orthogonality_defect(second))
    observe("prop-1-uniqueness", residual=worst, case=f"{sizes(a)} seed={seed}")
    assert worst <= EXACT
    observe_counterexample("prop-1-uniqueness", value=distance(r, second), case=f"{sizes(a)} seed={seed}")
    assert distance(r, second) == pytest.approx(2.0)
    assert float(torch.linalg.det(r) * torch.linalg.det(second)) == pytest.approx(-1.0)
    assert float(wahba(a, b, group="SO").error) <= EXACT


@pytest.mark.statement("point-3-not-unique")
@pytest.mark.statement("point-3-rotation")
@given(n=st.integers(2, 32), d=dimensions, seed=seeds(), kind=st.sampled_from(["rank_deficient", "collinear"]))
def test_below_full_rank_the_map_is_not_determined_and_can_be_a_rotation(n: int, d: int, seed: int, kind: str) -> None:
    a, mirrored = make_points(n, d, seed, kind), make_orthogonal(d, seed, "reflection")
    assert numerical_rank(a) < d
    b = a @ mirrored.mT
    assert equivariance_loss(a, b) < EXACT
    unseen = torch.linalg.svd(a).Vh[-1]
    other = mirrored - 2 * torch.outer(mirrored @ unseen, unseen)
    case = f"n={n} d={d} seed={seed} {kind}"
    fits = [off_map(a, b, fit) for fit in (mirrored, other)]
    observe("point-3-not-unique", residual=max(fits), case=case)
    assert max(fits) < EXACT
    assert orthogonality_defect(other) < EXACT
    assert distance(mirrored, other) == pytest.approx(2, abs=EXACT)

    rotation = wahba(a, b, group="SO")
    observe("point-3-rotation", residual=float(rotation.error), case=case)
    assert float(rotation.error) < EXACT
    assert float(torch.linalg.det(rotation.rotation)) == pytest.approx(1, abs=EXACT)


@pytest.mark.statement("point-3-unique")
@given(d=dimensions, more=extra, seed=seeds())
def test_full_rank_determines_the_map(d: int, more: int, seed: int) -> None:
    a = make_full_rank_points(d + more, d, seed)
    made, other = make_orthogonal(d, seed), make_orthogonal(d, seed + 1)
    assume(distance(made, other) > 0.1)
    b = a @ made.mT
    found, residual = procrustes(a, b)
    assert max(residual, distance(found, made)) < EXACT
    least = smallest_singular_value(a) * distance(other, found)
    reached = off_map(a, b, other)
    observe_bound("point-3-unique", value=least, bound=reached, case=f"n={d + more} d={d} seed={seed}")
    assert reached >= least - EXACT


@pytest.mark.statement("point-4-reflection")
@given(d=st.integers(1, 32), more=extra, seed=seeds())
def test_a_reflection_has_zero_loss_and_no_rotation_fits_it(d: int, more: int, seed: int) -> None:
    n = max(2, d + more)
    a = make_full_rank_points(n, d, seed)
    b = a @ make_orthogonal(d, seed, "reflection").mT
    assert equivariance_loss(a, b) < EXACT
    best, residual = procrustes(a, b)
    assert residual < EXACT
    assert float(torch.linalg.det(best)) == pytest.approx(-1, abs=EXACT)
    error, expected = float(wahba(a, b, group="SO").error), 2 * smallest_singular_value(a)
    observe("point-4-reflection", residual=abs(error - expected), case=f"n={n} d={d} seed={seed}")
    assert error == pytest.approx(expected, abs=EXACT)
    assert error > 0.1


@pytest.mark.statement("point-4-reflection")
@given(n=st.integers(2, 32), d=dimensions, seed=seeds(), kind=st.sampled_from(["rank_deficient", "collinear"]))
def test_below_full_rank_a_rotation_fits_the_image_of_a_reflection(n: int, d: int, seed: int, kind: str) -> None:
    a = make_points(n, d, seed, kind)
    b = a @ make_orthogonal(d, seed, "reflection").mT
    case = f"n={n} d={d} seed={seed} {kind}"
    error, expected = float(wahba(a, b, group="SO").error), 2 * smallest_singular_value(a)
    observe("point-4-reflection", residual=abs(error - expected), case=case)
    assert max(error, expected) < EXACT


@pytest.mark.statement("so-not-from-pairs")
@given(d=st.integers(3, 8), seed=seeds())
def test_so_d_is_not_determined_by_pairs(d: int, seed: int) -> None:
    a = make_full_rank_points(d, d, seed)
    b = a @ make_orthogonal(d, seed, "reflection").mT
    case = f"n={d} d={d} seed={seed}"
    part = 0.0
    for size in (2, d - 1):
        for rows in itertools.combinations(range(d), size):
            part = max(part, float(wahba(a[list(rows)], b[list(rows)], group="SO").error))
    observe("so-not-from-pairs", residual=part, case=case)
    assert part < EXACT
    assert float(wahba(a, b, group="SO").error) == pytest.approx(2 * smallest_singular_value(a), abs=EXACT)
    # The determinant, a form of d points, distinguishes them. The loss, a form of two points, does not, neither between
    # the two sets nor against a third one.
    assert float(torch.linalg.det(a)) == pytest.approx(-float(torch.linalg.det(b)), abs=EXACT)
    third = make_points(d, d, seed + 1)
    assert equivariance_loss(third, a) == pytest.approx(equivariance_loss(third, b), abs=EXACT)
    assert equivariance_loss(a, b) < EXACT
