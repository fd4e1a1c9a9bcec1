"""Algebraic statements in exact arithmetic: residuals are zero, and not merely small."""

from __future__ import annotations

import math

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from sympy import Matrix, Rational, sqrt

from care_bench.losses import equivariance, form_equivariance, minkowski
from care_bench.metrics import wahba
from theory_checks.exact import (
    as_tensor,
    by_reflections,
    cayley,
    fitted,
    loss,
    size,
    squared_distance,
    unit_rows,
    whole_numbers,
)
from theory_checks.measures_bounds import ATTAINED, PRINTED, SHARP
from theory_checks.observing import Statement, observe, observe_counterexample
from theory_checks.strategies import seeds

EXACTLY = "in rational arithmetic"
STATEMENTS = (
    Statement(
        "cor-3-exact",
        f"A A^T = B B^T gives A R^T = B with R^T R = I, by at most n reflections, at every rank, {EXACTLY}.",
        "Cor. 3",
        "holds",
    ),
    Statement(
        "prop-2-exact",
        f"The loss is zero for every orthogonal map and positive for every other map of a basis, {EXACTLY}.",
        "Prop. 2",
        "holds with assumption: all embeddings have unit norm, before the map and after; the pairs i = i are left out",
    ),
    Statement(
        "metric-numerator-exact",
        "(|u'-u|^2 - |v'-v|^2)^2 = 4 (u'.u - v'.v)^2 follows from |u| = |u'| = |v| = |v'| = 1 by algebra.",
        "numerator identity",
        "holds with assumption: all embeddings have the same norm",
    ),
    Statement(
        "constants-exact",
        "(2√2-2)^(-1/2) and √3-1, the constants of Prop. 6, are maxima over two points of a line, and 3/√2 is the "
        "limit of the counterexample to the last line of Cor. 2, by algebra.",
        "Prop. 6, Cor. 2",
        "holds",
    ),
    Statement(
        "counterexamples-exact",
        f"The counterexamples of points 1, 2, 3, 5 and 7 have loss zero, {EXACTLY}.",
        "points 1 to 7",
        "holds",
    ),
)
dimensions = st.integers(1, 4)


@pytest.mark.statement("cor-3-exact")
@given(n=st.integers(1, 5), d=dimensions, rank=st.integers(1, 4), seed=seeds(), reflected=st.booleans())
def test_equal_gram_matrices_give_a_product_of_reflections(
    n: int, d: int, rank: int, seed: int, reflected: bool
) -> None:
    a = whole_numbers(n, min(rank, d), seed) * whole_numbers(min(rank, d), d, seed + 1)
    b = a * cayley(d, seed, reflected).T
    assert size(a * a.T - b * b.T) == 0
    r = by_reflections(a, b)
    residual = size(a * r.T - b) + size(r.T * r - sympy.eye(d))
    observe("cor-3-exact", residual=residual, case=f"n={n} d={d} rank={a.rank()} seed={seed}")
    assert residual == 0


@pytest.mark.statement("cor-3-exact")
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([[3, 4], [5, 0]], [[5, 0], [3, 4]]),
        ([[1, 8]], [[4, 7]]),
        ([[2, 3, 6], [6, 2, -3]], [[7, 0, 0], [0, 7, 0]]),
        ([[1, 1, 1, 1], [1, -1, 1, -1]], [[2, 0, 0, 0], [0, 0, 0, 2]]),
    ],
)
def test_equal_gram_matrices_that_were_not_made_by_a_map(a: list[list[int]], b: list[list[int]]) -> None:
    a, b = Matrix(a), Matrix(b)
    assert a * a.T == b * b.T
    r = by_reflections(a, b)
    residual = size(a * r.T - b) + size(r.T * r - sympy.eye(a.cols))
    observe("cor-3-exact", residual=residual, case=f"n={a.rows} d={a.cols} written by hand")
    assert residual == 0


def test_control_unequal_gram_matrices_are_not_related_by_reflections() -> None:
    a, b = Matrix([[3, 4], [5, 0]]), Matrix([[5, 0], [4, 3]])
    assert size(a * by_reflections(a, b).T - b) > 0


@pytest.mark.statement("prop-2-exact")
@given(n=st.integers(2, 5), d=dimensions, seed=seeds(), reflected=st.booleans())
def test_the_loss_is_exactly_zero_for_orthogonal_maps_and_the_packages_loss_is_it(
    n: int, d: int, seed: int, reflected: bool
) -> None:
    a = unit_rows(n, d, seed)
    b = a * cayley(d, seed + 1, reflected).T
    residual = loss(a, b)
    observe("prop-2-exact", residual=residual, case=f"n={n} d={d} seed={seed}")
    assert residual == 0
    other = unit_rows(n, d, seed + 2)
    mean = loss(a, other)
    if n >= d:
        linear = fitted(a, other)
        fits = a * linear.T == other
        assert not fits or (mean == 0) == (linear.T * linear == sympy.eye(d))
    found = float(equivariance(as_tensor(a), as_tensor(other), splits=1))
    observe("prop-2-exact", residual=abs(found - float(mean)), case=f"n={n} d={d} seed={seed} in float64")
    assert found == pytest.approx(float(mean), abs=1e-14)


@pytest.mark.statement("prop-2-exact")
@given(d=st.integers(2, 4), seed=seeds())
def test_off_the_sphere_a_map_of_a_basis_that_is_not_orthogonal_has_loss_zero(d: int, seed: int) -> None:
    a = cayley(d, seed)
    stretched = sympy.diag(3, sympy.eye(d - 1)) * a
    defect = squared_distance(fitted(a, stretched).T * fitted(a, stretched), sympy.eye(d))
    observe_counterexample("prop-2-exact", value=defect, case=f"n={d} d={d} seed={seed} one row three times as long")
    assert loss(a, stretched) == 0
    assert defect == 64


@pytest.mark.statement("metric-numerator-exact")
@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_the_numerator_identity_follows_from_unit_norms(d: int) -> None:
    """The difference of both sides is a combination of the four polynomials |x|^2 - 1: its remainder is zero."""
    u, u_, v, v_ = (Matrix(sympy.symbols(f"{name}1:{d + 1}")) for name in ("u", "w", "v", "x"))
    left = ((u_ - u).dot(u_ - u) - (v_ - v).dot(v_ - v)) ** 2
    difference = sympy.expand(left - 4 * (u_.dot(u) - v_.dot(v)) ** 2)
    variables = [*u, *u_, *v, *v_]
    _, remainder = sympy.reduced(difference, [x.dot(x) - 1 for x in (u, u_, v, v_)], *variables)
    observe("metric-numerator-exact", residual=0 if remainder == 0 else 1, case=f"d={d}")
    assert remainder == 0
    longer = difference.subs(dict(zip(variables, [2] + [0] * (d - 1) + ([1] + [0] * (d - 1)) * 3, strict=True)))
    observe_counterexample("metric-numerator-exact", value=abs(longer), case=f"d={d}: one embedding of norm 2")
    assert longer != 0


@pytest.mark.statement("constants-exact")
def test_the_constants_of_two_points_of_a_line_are_maxima() -> None:
    """From a = (1, 0) to b = (x, y), s = |b|^2: residual^2 = 1 + s - 2x and gap^2 = 1 + s^2 - 2x^2."""
    s = sympy.symbols("s", positive=True)
    right_angle = (1 + s) / (1 + s**2)
    (best,) = sympy.solve(sympy.diff(right_angle, s), s)
    assert sympy.simplify(best - (sqrt(2) - 1)) == 0
    assert sympy.simplify(sympy.diff(right_angle, s, 2).subs(s, best)) < 0
    sharp = sympy.sqrtdenest(sqrt(sympy.radsimp(right_angle.subs(s, best))))
    defect = sympy.simplify(sharp**2 - 1 / (2 * sqrt(2) - 2))
    observe("constants-exact", residual=abs(defect), case="n=2 d=1 at a right angle")
    assert defect == 0
    assert float(sharp) == pytest.approx(SHARP, rel=1e-15)

    on_the_border = 1 + s - 2 * sqrt((s**2 + Rational(3, 4)) / 2)  # gap = 1/2, where ||A^+|| eps = 1 / sqrt 2
    (best,) = sympy.solve(sympy.diff(on_the_border, s), s)
    assert sympy.simplify(sympy.diff(on_the_border, s, 2).subs(s, best)) < 0
    attained = 2 * sqrt(on_the_border.subs(s, best))
    defect = sympy.simplify(attained**2 - (sqrt(3) - 1) ** 2)
    observe("constants-exact", residual=abs(defect), case="n=2 d=1 on the border of the condition")
    assert defect == 0
    assert all(on_the_border.subs(s, end) < on_the_border.subs(s, best) for end in (Rational(1, 2), Rational(3, 2)))
    assert float(attained) == pytest.approx(ATTAINED, rel=1e-15)


@pytest.mark.statement("constants-exact")
def test_the_printed_bound_of_cor_2_is_exceeded_by_three_over_root_two() -> None:
    """Turns by 2t, 2t and -2t with x = sin t = (1+√2)ε²/(2√2): error / printed bound = sin 3t / (√2 sin t)."""
    t, x = sympy.symbols("t x", positive=True)
    ratio = sympy.simplify(sympy.expand_trig(sympy.sin(3 * t)).subs(sympy.sin(t), x) / (sqrt(2) * x))
    ratio = ratio.subs(sympy.cos(t) ** 2, 1 - x**2)
    defect = sympy.simplify(sympy.limit(ratio, x, 0) - 3 / sqrt(2))
    observe("constants-exact", residual=abs(defect), case="n=2 d=2: turns by 2t, 2t, -2t as t -> 0")
    assert defect == 0
    largest = (1 + sqrt(2)) / (4 * sqrt(2))  # where ||A^+|| eps = 1 / sqrt 2
    assert float(largest) == pytest.approx(PRINTED / (4 * math.sqrt(2)), rel=1e-15)
    assert sympy.simplify(ratio.subs(x, largest)) > 1  # for every admissible epsilon


def composed(a: Matrix, on_x: Matrix, on_y: Matrix, turn: Matrix) -> tuple[Rational, Rational]:
    """Return the losses' sum and the squared composition defect where a' acts by two maps, on X and on a(X)."""
    za, zb = a * turn.T, a * on_x.T
    zba = za * on_y.T
    losses = loss(a, za) + loss(a, zb) + loss(a, zba)
    return losses, squared_distance(fitted(a, zba), fitted(a, zb) * fitted(a, za))


@pytest.mark.statement("counterexamples-exact")
@given(d=st.integers(2, 4), seed=seeds())
def test_points_1_and_2_and_the_largest_distance_of_cor_2(d: int, seed: int) -> None:
    a, turn, on_x, on_y = unit_rows(d + 1, d, seed), *(cayley(d, seed + i) for i in (1, 2, 3))
    losses, defect = composed(a, on_x, on_y, turn)
    observe("counterexamples-exact", residual=losses, case=f"n={d + 1} d={d} seed={seed} point 1")
    assert losses == 0
    assert defect == squared_distance(on_x, on_y)
    assert composed(a, on_x, -on_x, turn) == (0, 4 * d)
    # Point 2: a with f(a(a(x))) = f(a(x)) fits twice as the same map, and the square of the map is another one.
    assert squared_distance(turn, turn * turn) == squared_distance(turn, sympy.eye(d))


@pytest.mark.statement("counterexamples-exact")
@given(d=st.integers(2, 4), seed=seeds())
def test_points_3_and_7_and_rows_off_the_sphere(d: int, seed: int) -> None:
    a, turn = cayley(d, seed), cayley(d, seed + 1)
    below = a[: d - 1, :]  # rank d - 1: the reflection in the last row fits as well
    other = turn * (sympy.eye(d) - 2 * a[-1, :].T * a[-1, :])
    residual = size(below * other.T - below * turn.T) + size(other.T * other - sympy.eye(d))
    stretched = sympy.diag(3, sympy.eye(d - 1)) * a  # the pairs of different rows keep inner product zero
    residual += loss(a, stretched)
    residual += loss(a * turn.T, a * cayley(d, seed + 2).T)  # two augmented views, whatever the plain ones are
    observe("counterexamples-exact", residual=residual, case=f"n={d} d={d} seed={seed} points 3 and 7")
    assert residual == 0
    assert squared_distance(other, turn) == 4
    assert squared_distance(a, stretched) == 4


@pytest.mark.statement("counterexamples-exact")
def test_a_null_vector_and_zero_and_a_reflection_of_a_basis() -> None:
    null, form = Matrix([[3, 0, 4, 5]]), sympy.diag(1, 1, 1, -1)
    residual = size(null * form * null.T)
    observe("counterexamples-exact", residual=residual, case="n=1 d=4 point 5: a null vector and zero")
    assert residual == 0
    assert float(form_equivariance(minkowski(3, 1), as_tensor(null), as_tensor(0 * null))) == 0
    mirror = sympy.diag(-1, 1, 1)
    # Over SO(3) the squared error of a reflected basis is 3 + 3 - 2 max tr(R^T mirror) = 4; the trace is at most 1.
    assert float(wahba(as_tensor(sympy.eye(3)), as_tensor(mirror)).error) ** 2 == pytest.approx(4, rel=1e-15)
