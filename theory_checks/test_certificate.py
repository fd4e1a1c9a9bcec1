"""The bound of rank k: what inner products guarantee where embeddings do not fill the space. It is not in the paper."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from care_bench.metrics import certificate
from theory_checks.measures import gram_gap, numerical_rank, procrustes, smallest_singular_value
from theory_checks.measures_bounds import PRINTED, SHARP, is_admissible, perturb, residual_bound
from theory_checks.observing import Statement, observe_bound, observe_counterexample
from theory_checks.strategies import (
    POINT_KINDS,
    generator,
    make_full_rank_points,
    make_orthogonal,
    make_points,
    ranks,
    seeds,
    spectra,
)
from theory_checks.tolerances import EXACT

STATEMENTS = (
    Statement(
        "rank-k-bound",
        "For all embeddings A and B and every k with σ_k > 0, V and W their k leading right singular vectors, one "
        "orthogonal map leaves a squared residual of at most (C‖AVVᵀAᵀ - BWWᵀBᵀ‖/σ_k)² + ‖A - AVVᵀ‖² + ‖B - BWWᵀ‖², "
        "C = 1.0987.",
        "certificate-v1, from Tu et al. 2016",
        "holds",
    ),
    Statement(
        "rank-k-mass",
        "Without the mass outside of the k directions the bound of rank k can fail.",
        "certificate-v1, assumption",
        "holds",
    ),
)


def bounds(a: Tensor, b: Tensor) -> list[float]:
    """Return the bounds of rank 0 to d from n x n Gram matrices; infinite where the k-th singular value is 0."""
    (_, s, v), (_, _, w) = (torch.linalg.svd(points, full_matrices=True) for points in (a, b))
    found = [math.sqrt(float(a.square().sum() + b.square().sum()))]
    for k in range(1, min(a.shape) + 1):
        first, second = a @ v[:k].T, b @ w[:k].T
        inside = SHARP * gram_gap(first, second) / float(s[k - 1]) if s[k - 1] > 0 else math.inf
        outside = (a @ v[k:].T).square().sum() + (b @ w[k:].T).square().sum()
        found.append(math.hypot(inside, math.sqrt(float(outside))))
    return found


@pytest.mark.statement("rank-k-bound")
@given(d=ranks(), more=st.integers(0, 32), seed=seeds(), smallest=spectra(), size=st.floats(1e-4, 100))
def test_every_rank_bounds_the_residual(d: int, more: int, seed: int, smallest: float | None, size: float) -> None:
    a = make_full_rank_points(max(2, d + more), d, seed, smallest)
    b = perturb(a, "random", size, seed) @ make_orthogonal(d, seed).mT
    _, residual = procrustes(a, b)
    every = bounds(a, b)
    tightest = min(every)
    observe_bound("rank-k-bound", value=residual, bound=tightest, case=f"n={len(a)} d={d} seed={seed} size={size:.3g}")
    assert residual <= tightest + EXACT
    found = certificate(a, b)
    n = len(a)
    assert float(found.bound) * math.sqrt(n) == pytest.approx(tightest, rel=1e-5, abs=1e-6)
    assert float(found.bound) <= math.sqrt(2) + EXACT


@pytest.mark.statement("rank-k-bound")
@given(n=st.integers(2, 40), d=st.integers(1, 40), seed=seeds())
def test_every_rank_bounds_the_residual_of_unrelated_points(n: int, d: int, seed: int) -> None:
    rng = generator("unrelated points", seed)
    a, b = (normalize(torch.from_numpy(rng.standard_normal((n, d))), dim=1) for _ in range(2))
    _, residual = procrustes(a, b)
    observe_bound("rank-k-bound", value=residual, bound=min(bounds(a, b)), case=f"n={n} d={d} seed={seed} unrelated")
    assert residual <= min(bounds(a, b)) + EXACT


@pytest.mark.statement("rank-k-bound")
@given(n=st.integers(2, 24), d=st.integers(1, 24), kinds=st.tuples(*[st.sampled_from(POINT_KINDS)] * 2), seed=seeds())
def test_every_rank_bounds_the_residual_of_special_points(n: int, d: int, kinds: tuple[str, str], seed: int) -> None:
    """Below full rank the singular values from the rank on are rounding errors or zero: only those above count."""
    a, b = (make_points(n, d, seed + i, kind) for i, kind in enumerate(kinds))
    _, residual = procrustes(a, b)
    case = f"n={n} d={d} seed={seed} {kinds[0]} and {kinds[1]}"
    tightest = min(bounds(a, b)[: numerical_rank(a) + 1])
    observe_bound("rank-k-bound", value=residual, bound=tightest, case=case)
    assert residual <= tightest + EXACT


@pytest.mark.statement("rank-k-bound")
@given(d=st.integers(2, 24), seed=seeds(), exponent=st.floats(-3, -2))
def test_it_says_something_where_prop_3_does_not(d: int, seed: int, exponent: float) -> None:
    """Points squeezed towards a subspace: ‖A†‖ is large, and the k wide directions carry the embeddings."""
    a = make_full_rank_points(4 * d, d, seed, 10.0**exponent)
    b = perturb(a, "weakest", 0.05, seed) @ make_orthogonal(d, seed).mT
    gap, trivial = gram_gap(a, b), math.sqrt(2 * len(a))
    assert not is_admissible(a, gap)
    best = min(bounds(a, b))
    _, residual = procrustes(a, b)
    case = f"n={len(a)} d={d} σ={smallest_singular_value(a):.1g} seed={seed}"
    observe_bound("rank-k-bound", value=residual, bound=best, case=case)
    assert residual <= best + EXACT
    assert best < trivial / 4
    assert best < residual_bound(a, gap, PRINTED)


@pytest.mark.statement("rank-k-mass")
@given(d=st.integers(2, 24), seed=seeds())
def test_the_mass_outside_counts(d: int, seed: int) -> None:
    """Views that differ outside of k directions alone: inside, the Gram matrices agree."""
    a = torch.zeros(2 * d, d, dtype=torch.float64)
    a[:, 0] = 1.0
    b = a.clone()
    a[:, 1], b[:, 1] = 0.1, 0.1
    a[::2, 1] *= -1  # the signs of the second direction go with the first view alone
    a, b = normalize(a, dim=1), normalize(b, dim=1) @ make_orthogonal(d, seed).mT
    (_, s, v), (_, _, w) = (torch.linalg.svd(points) for points in (a, b))
    inside = SHARP * gram_gap(a @ v[:1].T, b @ w[:1].T) / float(s[0])
    _, residual = procrustes(a, b)
    case = f"n={2 * d} d={d} seed={seed}"
    observe_bound("rank-k-mass", value=inside, bound=residual, case=case)  # it fails for every one of them
    observe_counterexample("rank-k-mass", value=residual, bound=inside, case=case)
    assert residual > inside + 0.01
    assert residual <= min(bounds(a, b)) + EXACT
