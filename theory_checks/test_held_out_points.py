"""Prop. 5: one map for all points, and whether a map fitted on some of them fits the rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from theory_checks import measures
from theory_checks.observing import Statement, observe, observe_counterexample, sizes
from theory_checks.strategies import (
    full_rank_points,
    make_full_rank_points,
    make_orthogonal,
    make_points,
    moved_row,
    same_gram,
    seeds,
)
from theory_checks.tolerances import EXACT

STATEMENTS = (
    Statement(
        "prop-5",
        "Equal inner products f(x).f(y) = h(x).h(y) on any set give one R in O(d) with h = R f, held-out points too.",
        "Prop. 5",
        "holds",
    ),
    Statement(
        "prop-5-fitted",
        "An R fitted on some of the points carries the held-out ones as well.",
        "Prop. 5",
        "holds with assumption: the fitted points span what the held-out ones do",
    ),
)


@pytest.mark.statement("prop-5")
@given(full_rank_points(max_n=32), seeds(), st.integers(1, 32))
def test_held_out_points_obey_the_map_of_the_fitted_ones(fitted: Tensor, seed: int, held_out: int) -> None:
    """H is made from the inner products of f alone, on all points; R is fitted on some of them."""
    f = torch.cat([fitted, make_points(held_out, fitted.shape[1], seed)])
    h = same_gram(f @ make_orthogonal(f.shape[1], seed).mT)
    r, _ = measures.procrustes(fitted, h[: len(fitted)])
    residual = measures.off_map(f[len(fitted) :], h[len(fitted) :], r)
    observe("prop-5", residual=residual, case=f"{sizes(fitted)} held_out={held_out} seed={seed}")
    assert residual <= EXACT


@pytest.mark.parametrize("size", [1e-6, 1e-2])
def test_control_a_held_out_point_with_other_inner_products_is_seen(size: float) -> None:
    f = make_full_rank_points(10, 4, seed=0)
    h = same_gram(f)
    h[-1:] = moved_row(h[-1:], seed=0, size=size)
    r, fit = measures.procrustes(f[:-1], h[:-1])
    assert fit <= EXACT
    assert measures.off_map(f[-1:], h[-1:], r) == pytest.approx(2 * np.sin(size / 2), rel=1e-3)


@pytest.mark.statement("prop-5-fitted")
@given(st.integers(2, 16), seeds())
def test_a_map_fitted_below_full_rank_may_miss_held_out_points(d: int, seed: int) -> None:
    """One R fits all points; a second one fits the fitted points as well and reverses the point off their span."""
    f = make_orthogonal(d, seed)
    h = f @ make_orthogonal(d, seed + 1).mT
    r, everywhere = measures.procrustes(f, h)
    fits_all_but_one = r - 2 * torch.outer(r @ f[-1], f[-1])
    residual = max(everywhere, measures.off_map(f[:-1], h[:-1], fits_all_but_one))
    observe("prop-5-fitted", residual=residual, case=f"n={d - 1} d={d} seed={seed}")
    assert residual <= EXACT
    missed = measures.off_map(f[-1:], h[-1:], fits_all_but_one)
    observe_counterexample("prop-5-fitted", value=missed, case=f"n={d - 1} d={d} seed={seed}")
    assert missed == pytest.approx(2.0)
