"""Prop. 1, 2 and Cor. 3: the equivariance loss is zero exactly where one orthogonal map carries view to view.

Rows are samples throughout: B = A R^T. Each check has controls: violations that it must catch.
"""

from __future__ import annotations

import geomstats.geometry.special_orthogonal as geomstats_so
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from care_bench.losses import Equivariance
from care_bench.metrics import wahba
from theory_checks import measures
from theory_checks.observing import Statement, observe, observe_bound, observe_counterexample, sizes
from theory_checks.strategies import (
    full_rank_points,
    make_full_rank_points,
    make_orthogonal,
    make_points,
    moved_row,
    orthogonal,
    same_gram,
    seeds,
    sphere_points,
)
from theory_checks.tolerances import EXACT

STATEMENTS = (
    Statement(
        "prop-1",
        "The ideal loss is zero exactly if for almost every augmentation a one R_a in O(d) has f(a(x)) = R_a f(x).",
        "Prop. 1",
        "holds",
    ),
    Statement(
        "prop-2",
        "The finite-sample loss is zero exactly if B = A R^T for one R in O(d).",
        "Prop. 2",
        "holds",
    ),
    Statement(
        "prop-2-unit-norm",
        "A mean over the pairs of different inputs is positive at every failure of B = A R^T.",
        "Prop. 2",
        "holds with assumption: the embeddings have unit norm, because the pairs i = i are left out",
    ),
    Statement(
        "loss-is-finite-sample",
        "On the unit sphere the mean over pairs of different inputs is the finite-sample sum of squares / n(n - 1).",
        "Eq. 2",
        "holds",
    ),
    Statement(
        "cor-3",
        "A A^T = B B^T implies B = A R^T for one R in O(d), at every rank.",
        "Cor. 3",
        "holds",
    ),
    Statement(
        "prop-1-coset",
        "The map that Procrustes recovers lies in SO(d) or in its reflection coset, as the true one does.",
        "Prop. 1",
        "holds with assumption: the embeddings span R^d; below full rank a map in the other coset fits as well",
    ),
)


# Prop. 1: one map for each augmentation


@pytest.mark.statement("prop-1")
@given(st.data(), st.integers(1, 6))
def test_every_augmentation_may_have_its_own_map(data: st.DataObject, augmentations: int) -> None:
    a = data.draw(sphere_points(min_n=2, max_n=24, max_d=16))
    maps = [data.draw(orthogonal(a.shape[1])) for _ in range(augmentations)]
    loss = Equivariance(splits=augmentations)(a.repeat(augmentations, 1), torch.cat([a @ r.mT for r in maps]))
    residual = float(loss) ** 0.5
    observe("prop-1", residual=residual, case=f"{sizes(a)} augmentations={augmentations}")
    assert residual <= EXACT


@pytest.mark.statement("prop-1")
@given(full_rank_points(min_n=2, max_n=24, min_d=2, max_d=16), seeds())
def test_zero_loss_under_every_augmentation_gives_a_map_for_each(a: Tensor, seed: int) -> None:
    """Views with the Gram matrix of the plain embeddings, made without a map, are each the image under one."""
    views = torch.stack([same_gram(a @ make_orthogonal(a.shape[1], seed + i).mT) for i in range(3)])
    assert float(Equivariance(splits=3)(a.repeat(3, 1), views.flatten(0, 1))) <= EXACT**2
    solution = wahba(a, views, group="O")
    residual = float(solution.error.max())
    observe("prop-1", residual=residual, case=f"{sizes(a)} seed={seed}")
    assert residual <= EXACT
    assert max(map(measures.orthogonality_defect, solution.rotation)) <= EXACT


@given(full_rank_points(min_n=2, max_n=24, min_d=2, max_d=16), seeds())
def test_control_two_maps_within_one_augmentation_are_seen(a: Tensor, seed: int) -> None:
    """Half the rows under one map and half under another: zero in two chunks, positive in one."""
    both = torch.cat([a, a])
    first, second = (make_orthogonal(a.shape[1], seed, kind) for kind in ("special", "reflection"))
    views = torch.cat([a @ first.mT, a @ second.mT])
    assert float(Equivariance(splits=2)(both, views)) <= EXACT**2
    assert float(Equivariance(splits=1)(both, views)) > 1e-3 / len(a) ** 2


# Prop. 2 and Cor. 3: the finite sample


@pytest.mark.statement("prop-2")
@given(st.data())
def test_an_orthogonal_map_gives_zero_loss(data: st.DataObject) -> None:
    a = data.draw(sphere_points(min_n=2))
    b = a @ data.draw(orthogonal(a.shape[1])).mT
    residual = measures.equivariance_loss(a, b) ** 0.5
    observe("prop-2", residual=residual, case=sizes(a))
    assert residual <= EXACT


@pytest.mark.statement("prop-2")
@given(full_rank_points(min_n=2, min_d=2), seeds(), st.floats(-6, 0))
def test_positive_residual_gives_positive_loss(a: Tensor, seed: int, exponent: float) -> None:
    """A residual of any size over all orthogonal maps has at least the loss that follows from Prop. 3."""
    b = moved_row(a @ make_orthogonal(a.shape[1], seed).mT, seed, 10**exponent)
    _, residual = measures.procrustes(a, b)
    least = measures.least_gap(residual, measures.smallest_singular_value(a))
    assert measures.orthogonality_defect(measures.procrustes(a, b)[0]) <= EXACT
    pairs = len(a) * (len(a) - 1)
    gap = (measures.equivariance_loss(a, b) * pairs) ** 0.5
    observe("prop-2", residual=max(0.0, least - gap), case=f"{sizes(a)} seed={seed} size=1e{exponent:.1f}")
    assert gap >= least * (1 - EXACT)


@pytest.mark.parametrize("d", [2, 3, 16])
@pytest.mark.parametrize("size", [1e-6, 1e-3, 0.5])
def test_control_a_map_that_is_not_orthogonal_has_positive_loss(d: int, size: float) -> None:
    """Stretch one axis and normalise: the loss is positive, of order size^2, and no map in O(d) fits."""
    a = make_points(4 * d, d, seed=d)
    stretched = a * torch.cat([torch.tensor([1 + size]), torch.ones(d - 1)]).double()
    b = stretched / stretched.norm(dim=1, keepdim=True)
    assert measures.equivariance_loss(a, b) > (size / (10 * d)) ** 2
    assert measures.procrustes(a, b)[1] > size / d


@pytest.mark.statement("prop-2-unit-norm")
@given(st.integers(2, 32), seeds(), st.floats(0.1, 3.0))
def test_off_the_sphere_zero_loss_does_not_give_an_orthogonal_map(d: int, seed: int, stretch: float) -> None:
    """Orthonormal embeddings stretched along themselves: every pair of different rows still has inner product zero."""
    a = make_orthogonal(d, seed)
    b = a.clone()
    b[0] *= 1 + stretch
    loss, (_, residual) = measures.equivariance_loss(a, b), measures.procrustes(a, b)
    case = f"n={d} d={d} stretch={stretch:.2g}"
    observe_counterexample("prop-2-unit-norm", value=residual, case=case)
    assert loss <= EXACT**2
    assert residual == pytest.approx(stretch)
    assert measures.gram_gap(a, b) == pytest.approx((1 + stretch) ** 2 - 1)
    back = b / b.norm(dim=1, keepdim=True)
    on_sphere = measures.procrustes(a, back)[1]
    observe("prop-2-unit-norm", residual=on_sphere, case=case)
    assert on_sphere <= EXACT


@pytest.mark.statement("loss-is-finite-sample")
@given(st.data())
def test_the_loss_is_the_finite_sample_sum_of_squares(data: st.DataObject) -> None:
    a = data.draw(sphere_points(min_n=2))
    b = make_points(*a.shape, data.draw(seeds()))
    expected = measures.pairwise_loss(a, b)
    gap = abs(measures.equivariance_loss(a, b) * len(a) * (len(a) - 1) - expected)
    residual = gap / max(1.0, expected)
    observe("loss-is-finite-sample", residual=residual, case=sizes(a))
    assert residual <= EXACT


def test_control_the_finite_sample_sum_is_not_a_sum_of_gaps() -> None:
    """Two pairs at 0 and 60 degrees: the inner products differ by 1/2, the sum of squares over i != j is 1/2, not 1."""
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    b = torch.tensor([[1.0, 0.0], [0.5, 0.75**0.5]], dtype=torch.float64)
    assert measures.pairwise_loss(a, b) == pytest.approx(0.5)
    assert measures.equivariance_loss(a, b) == pytest.approx(0.25)


@pytest.mark.statement("cor-3")
@given(sphere_points())
def test_equal_gram_matrices_give_one_orthogonal_map(a: Tensor) -> None:
    b = same_gram(a)
    assert measures.gram_gap(a, b) <= EXACT
    r, residual = measures.procrustes(a, b)
    allowed = EXACT + measures.rounding_of_procrustes(a)
    observe_bound("cor-3", value=residual, bound=allowed, case=sizes(a))
    assert residual <= allowed <= 1e-5
    assert measures.orthogonality_defect(r) <= EXACT


@pytest.mark.parametrize("kind", ["uniform", "clustered", "near_duplicate", "rank_deficient"])
def test_control_procrustes_leaves_a_residual_where_gram_matrices_differ(kind: str) -> None:
    a = make_points(12, 4, seed=1, kind=kind)
    b = moved_row(same_gram(a), seed=2, size=1e-2)
    assert measures.gram_gap(a, b) > 1e-5
    assert measures.procrustes(a, b)[1] > 1e-3


# The recovered map


@pytest.mark.statement("cor-3", "prop-1-coset")
@given(st.data())
def test_procrustes_recovers_the_map_in_its_coset(data: st.DataObject) -> None:
    a = data.draw(full_rank_points(min_d=2))
    true = data.draw(orthogonal(a.shape[1]))
    found, _ = measures.procrustes(a, a @ true.mT)
    residual = measures.distance(found, true)
    observe("cor-3", residual=residual, case=sizes(a))
    assert residual <= EXACT
    rotation, reflected = in_coset(found)
    observe("prop-1-coset", residual=measures.orthogonality_defect(found), case=sizes(a))
    assert rotation != reflected
    assert rotation == bool(torch.linalg.det(true) > 0)


@pytest.mark.statement("prop-1-coset")
@given(sphere_points(min_d=2, kind="rank_deficient"), seeds())
def test_below_full_rank_maps_of_both_cosets_fit(a: Tensor, seed: int) -> None:
    b = a @ make_orthogonal(a.shape[1], seed).mT
    r, _ = measures.procrustes(a, b)
    unseen = torch.linalg.svd(a).Vh[-1]
    other = r - 2 * torch.outer(r @ unseen, unseen)
    observe("prop-1-coset", residual=measures.off_map(a, b, other), case=f"{sizes(a)} seed={seed}")
    assert max(measures.off_map(a, b, fit) for fit in (r, other)) <= EXACT
    apart = float((torch.linalg.det(r) - torch.linalg.det(other)).abs())
    observe_counterexample("prop-1-coset", value=apart, case=f"{sizes(a)} seed={seed}")
    assert apart == pytest.approx(2.0)


@pytest.mark.parametrize("d", [2, 3, 8])
def test_control_geomstats_refuses_what_is_in_neither_coset(d: int) -> None:
    sheared = make_orthogonal(d, 0)
    sheared[0] += 1e-6 * sheared[1]
    assert in_coset(sheared) == (False, False)
    assert in_coset(make_orthogonal(d, 0, "special")) == (True, False)
    assert in_coset(make_orthogonal(d, 0, "reflection")) == (False, True)


@pytest.mark.parametrize("d", [2, 3, 8])
def test_control_rotations_alone_cannot_undo_a_reflection(d: int) -> None:
    """Over SO(d) instead of O(d) the recovery fails; the residual is at least twice the smallest singular value."""
    a = make_full_rank_points(3 * d, d, seed=d)
    b = a @ make_orthogonal(d, 1, "reflection").mT
    assert measures.procrustes(a, b)[1] <= EXACT
    assert float(wahba(a, b, group="SO").error) >= 2 * measures.smallest_singular_value(a) - EXACT


def in_coset(r: Tensor) -> tuple[bool, bool]:
    """Return whether geomstats finds R in SO(d), and whether it finds R with its first row negated there."""
    group = geomstats_so.SpecialOrthogonal(len(r))
    mirrored = r.clone()
    mirrored[0] *= -1
    return bool(group.belongs(r.numpy(), atol=EXACT)), bool(group.belongs(mirrored.numpy(), atol=EXACT))
