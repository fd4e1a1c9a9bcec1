"""Wahba's solution against other solvers: scipy's two and a Riemannian descent on geomstats' SO(d)."""

from __future__ import annotations

import warnings

import geomstats.geometry.special_orthogonal as geomstats_so
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation
from torch import Tensor

from care_bench.metrics import wahba
from theory_checks.measures import distance, orthogonality_defect
from theory_checks.measures_metrics import descend_rotations, misfit, moved
from theory_checks.observing import Statement, observe, observe_bound, observe_counterexample
from theory_checks.strategies import POINT_KINDS, make_full_rank_points, make_orthogonal, make_points, orthogonal, seeds
from theory_checks.tolerances import EXACT

STATEMENTS = (
    Statement(
        id="wahba-orthogonal",
        text="Over O(d) Wahba's solution is as good as scipy's orthogonal_procrustes; where unique, the same.",
        source="metric: Wahba",
        verdict="holds with assumption: the map is unique only if F_a F^T has rank d",
    ),
    Statement(
        id="wahba-space",
        text="Over SO(3) Wahba's solution is as good as scipy's Rotation.align_vectors, whatever the rank.",
        source="metric: Wahba",
        verdict="holds",
    ),
    Statement(
        id="wahba-descent",
        text="Riemannian gradient descent on SO(d) from random starts finds nothing better and ends at the same value.",
        source="metric: Wahba",
        verdict="holds",
    ),
    Statement(
        id="wahba-closed-form",
        text="The least squared error is |F|^2 + |F_a|^2 - 2 sum of singular values, the last one with the sign of the "
        "determinant over SO(d).",
        source="metric: Wahba",
        verdict="holds",
    ),
    Statement(
        id="wahba-subscript",
        text="R = U diag(1, ..., 1, det U det V) V^T with n - 1 ones.",
        source="metric: Wahba",
        verdict="counterexample to the text as printed: with n != d samples the product is not defined; d - 1 ones are "
        "meant, and the sign belongs to the least singular value",
    ),
    Statement(
        id="wahba-groups",
        text="The error over O(d) is the lesser of the errors over SO(d) and over its reflection coset.",
        source="metric: Wahba",
        verdict="holds",
    ),
)

DEGENERATE = ("one_line", "equal", "equal_reflected", "two_equal_reflected", "plane_reflected", "antipodal")


def special_defect(rotation: Tensor) -> float:
    """Return how far a map is from SO(d): the larger of its orthogonality defect and |det - 1|."""
    return max(orthogonality_defect(rotation), abs(torch.linalg.det(rotation).item() - 1))


def degenerate(kind: str, d: int) -> tuple[Tensor, Tensor]:
    """Return embeddings and views whose F_a F^T has singular values that coincide or vanish; d >= 2."""
    basis, turn = torch.eye(d, dtype=torch.float64), make_orthogonal(d, 0, "special")
    mirror = torch.ones(d, dtype=torch.float64)
    mirror[0] = -1
    if kind == "one_line":
        z = make_points(6, d, 1, "collinear")
        return z, z @ turn.mT
    if kind == "equal":
        return basis, turn.mT.contiguous()
    if kind == "equal_reflected":
        return basis, basis * mirror
    if kind == "two_equal_reflected":  # singular values 5, ..., 5, 1, 1 and a determinant below zero
        weights = torch.tensor([1] * 2 + [5] * (d - 2))
        return basis.repeat_interleave(weights, dim=0), (basis * mirror).repeat_interleave(weights, dim=0)
    if kind == "plane_reflected":  # rank d - 1, so that a reflection within the span is a rotation of the whole
        z = make_points(12, d, 2, "rank_deficient")
        return z, z @ make_orthogonal(d, 3, "reflection").mT
    return basis, -basis


# --- the whole group ---------------------------------------------------------------------------------------------


@st.composite
def any_views(draw: st.DrawFn, min_d: int = 1, max_d: int = 12) -> tuple[Tensor, Tensor]:
    """Embeddings of every kind and their image under an orthogonal map, with noise or without."""
    n, d = draw(st.integers(1, 40)), draw(st.integers(min_d, max_d))
    z = make_points(n, d, draw(seeds()), draw(st.sampled_from(POINT_KINDS)))
    za = z @ draw(orthogonal(d)).mT
    size = draw(st.sampled_from([0.0, 1e-6, 0.1, 1.0]))
    return z, moved(za, draw(seeds()), size) if size else za


@pytest.mark.statement("wahba-orthogonal", "wahba-groups", "wahba-closed-form")
@given(any_views())
def test_solution_over_the_whole_group(views):
    z, za = views
    n, d = z.shape
    case = f"n={n} d={d}"
    whole, special = wahba(z, za, group="O"), wahba(z, za)
    mirror = torch.ones(d, dtype=z.dtype)
    mirror[0] = -1
    peer, _ = orthogonal_procrustes(z.numpy(), za.numpy())
    worse = abs(misfit(z, za, whole.rotation) - misfit(z, za, torch.from_numpy(peer).mT))
    coset = wahba(z * mirror, za)
    groups = abs(whole.error**2 - torch.minimum(special.error, coset.error) ** 2).item() / n

    covariance = za.mT @ z
    sigma = torch.linalg.svdvals(covariance)
    total = (z.square().sum() + za.square().sum()).item()
    closed = abs(whole.error.item() ** 2 - (total - 2 * sigma.sum().item())) / n
    signed = sigma.sum() - 2 * sigma[-1] * (torch.linalg.det(covariance) < 0)
    closed = max(closed, abs(special.error.item() ** 2 - (total - 2 * signed.item())) / n)

    observe("wahba-orthogonal", residual=worse, case=case)
    observe("wahba-groups", residual=groups, case=case)
    observe("wahba-closed-form", residual=closed, case=case)
    assert worse < EXACT
    assert groups < EXACT
    assert closed < EXACT
    assert orthogonality_defect(whole.rotation) < EXACT
    assert special_defect(special.rotation) < EXACT


@pytest.mark.statement("wahba-orthogonal")
@given(d=st.integers(1, 12), extra=st.integers(0, 20), seed=seeds())
def test_the_map_is_scipys_where_it_is_unique(d, extra, seed):
    z = make_full_rank_points(d + extra, d, seed)
    za = moved(z @ make_orthogonal(d, seed).mT, seed, 0.01)
    peer, _ = orthogonal_procrustes(z.numpy(), za.numpy())
    apart = distance(wahba(z, za, group="O").rotation, torch.from_numpy(peer).mT)
    observe("wahba-orthogonal", residual=apart, case=f"n={d + extra} d={d} seed={seed}")
    assert apart < EXACT


@pytest.mark.statement("wahba-orthogonal")
def test_control_without_full_rank_two_maps_are_equally_good():
    z = make_points(10, 4, 0, "rank_deficient")
    za = z @ make_orthogonal(4, 1).mT
    best = wahba(z, za, group="O").rotation
    normal = torch.linalg.svd(z)[2][-1]  # orthogonal to every embedding
    other = best @ (torch.eye(4, dtype=z.dtype) - 2 * torch.outer(normal, normal))
    observe_counterexample("wahba-orthogonal", value=distance(best, other), case="n=10 d=4 rank 3")
    assert distance(best, other) == pytest.approx(2)
    assert max(misfit(z, za, best), misfit(z, za, other)) < EXACT**2


# --- rotations of space ------------------------------------------------------------------------------------------


@pytest.mark.statement("wahba-space")
@given(any_views(min_d=3, max_d=3))
def test_solution_in_space_is_as_good_as_scipys(views):
    z, za = views
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Optimal rotation is not uniquely")
        peer = Rotation.align_vectors(za.numpy(), z.numpy())[0].as_matrix()
    solution = wahba(z, za)
    worse = abs(misfit(z, za, solution.rotation) - misfit(z, za, torch.from_numpy(peer)))
    observe("wahba-space", residual=worse, case=f"n={len(z)} d=3")
    assert worse < EXACT
    assert special_defect(solution.rotation) < EXACT


@pytest.mark.statement("wahba-space")
@pytest.mark.parametrize("kind", DEGENERATE)
def test_solution_in_space_is_as_good_as_scipys_where_singular_values_degenerate(kind):
    z, za = degenerate(kind, 3)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Optimal rotation is not uniquely")
        peer = Rotation.align_vectors(za.numpy(), z.numpy())[0].as_matrix()
    worse = abs(misfit(z, za, wahba(z, za).rotation) - misfit(z, za, torch.from_numpy(peer)))
    observe("wahba-space", residual=worse, case=f"n={len(z)} d=3 {kind}")
    assert worse < EXACT


# --- descent on the manifold -------------------------------------------------------------------------------------


def check_descent(z: Tensor, za: Tensor, seed: int, case: str) -> None:
    best = misfit(z, za, wahba(z, za).rotation)
    ends = descend_rotations(z, za, starts=6, steps=400, seed=seed)
    reached = int((ends < best + 1e-6).sum())
    observe_bound("wahba-descent", value=abs(ends[0] - best), bound=1e-6, case=case)
    assert ends[0] > best - EXACT  # nothing better
    assert ends[0] < best + 1e-6
    assert reached == 6


@pytest.mark.statement("wahba-descent")
@pytest.mark.parametrize("d", [2, 3, 5, 8])
@pytest.mark.parametrize("kind", ["special", "reflection"])
@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_descent_finds_nothing_better(d, kind, noise):
    z = make_full_rank_points(6 * d, d, d)
    za = moved(z @ make_orthogonal(d, d, kind).mT, d, noise)
    check_descent(z, za, seed=d, case=f"n={6 * d} d={d} noise={noise} {kind}")


@pytest.mark.statement("wahba-descent")
@pytest.mark.parametrize("d", [2, 3, 5])
@pytest.mark.parametrize("kind", DEGENERATE)
def test_descent_finds_nothing_better_where_singular_values_degenerate(kind, d):
    z, za = degenerate(kind, d)
    assert special_defect(wahba(z, za).rotation) < EXACT
    check_descent(z, za, seed=d, case=f"n={len(z)} d={d} {kind}")


@pytest.mark.statement("wahba-descent")
@pytest.mark.parametrize("d", [2, 3, 5])
def test_geomstats_calls_the_solution_a_rotation_and_the_one_over_the_whole_group_a_reflection(d):
    z = make_full_rank_points(4 * d, d, d)
    za = moved(z @ make_orthogonal(d, d, "reflection").mT, d, 0.1)
    group = geomstats_so.SpecialOrthogonal(d)
    assert group.belongs(wahba(z, za).rotation.numpy(), atol=EXACT)
    assert not group.belongs(wahba(z, za, group="O").rotation.numpy(), atol=EXACT)


# --- planted errors ----------------------------------------------------------------------------------------------


def planted(flaw: str, z: Tensor, za: Tensor) -> Tensor:
    """Return the solution of a solver with a known error."""
    u, _, vh = np.linalg.svd((za.mT @ z).numpy())
    signs = np.ones(len(u))
    if flaw == "sign on the largest singular value":
        signs[0] = np.linalg.det(u @ vh)
    elif flaw == "transposed":
        return wahba(z, za).rotation.mT
    elif flaw == "views and embeddings exchanged":
        return wahba(za, z).rotation
    elif flaw == "no rotation":
        return torch.eye(z.shape[1], dtype=z.dtype)
    return torch.from_numpy(u * signs @ vh)


@pytest.mark.statement("wahba-descent", "wahba-space")
@pytest.mark.parametrize(
    "flaw",
    ["sign on the largest singular value", "transposed", "views and embeddings exchanged", "no rotation"],
)
def test_control_scipy_and_descent_catch_a_flawed_solver(flaw):
    z = make_full_rank_points(30, 3, 0)
    za = moved(z @ make_orthogonal(3, 1, "reflection").mT, 2, 0.1)
    wrong = misfit(z, za, planted(flaw, z, za))
    assert descend_rotations(z, za, starts=6, steps=400, seed=0)[0] < wrong - 1e-2
    peer = Rotation.align_vectors(za.numpy(), z.numpy())[0].as_matrix()
    assert misfit(z, za, torch.from_numpy(peer)) < wrong - 1e-2


@pytest.mark.statement("wahba-descent", "wahba-groups")
def test_control_membership_catches_a_missing_sign():
    z = make_full_rank_points(30, 3, 0)
    za = moved(z @ make_orthogonal(3, 1, "reflection").mT, 2, 0.1)
    without = planted("no sign", z, za)
    assert misfit(z, za, without) < misfit(z, za, wahba(z, za).rotation) - 0.1  # better than any rotation, so not one
    assert special_defect(without) == pytest.approx(2)


@pytest.mark.statement("wahba-subscript")
@pytest.mark.parametrize(("n", "d"), [(2, 3), (4, 3), (30, 3), (30, 5)])
def test_the_printed_subscript_does_not_fit_the_matrices(n, d):
    z = make_points(n, d, 0)
    za = moved(z, 1, 1.0)
    u, _, vh = torch.linalg.svd(za.mT @ z)
    sign = torch.linalg.det(u @ vh).reshape(1)
    ones = torch.ones(n - 1, dtype=z.dtype)
    with pytest.raises(RuntimeError, match=r"must match|cannot be multiplied"):
        u @ torch.diag(torch.cat([ones, sign])) @ vh
    meant = u @ torch.diag(torch.cat([ones.new_ones(d - 1), sign])) @ vh
    apart = abs(misfit(z, za, meant) - misfit(z, za, wahba(z, za).rotation))
    case = f"n={n} d={d}: {n} diagonal entries for a matrix of {d}"
    observe_counterexample("wahba-subscript", value=abs(n - d), case=case)
    observe("wahba-subscript", residual=apart, case=case)
    assert apart < EXACT
