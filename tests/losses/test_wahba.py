from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation
from torch.autograd import grad, gradcheck

from care_bench.losses import WahbaLoss
from care_bench.metrics import wahba

GROUPS = ["SO", "O"]
SHAPES = [(12, 3, 1), (12, 3, 2), (16, 4, 4), (12, 6, 3), (6, 8, 3)]
"""(rows, dimensions, splits): chunks with more rows than dimensions, equally many, and fewer."""


def by_definition(z1, z2, splits, group):
    """Chunk by chunk in numpy: scipy's orthogonal Procrustes for O, the SVD with a corrected determinant for SO."""
    errors = []
    for a, b in zip(np.split(z1, splits), np.split(z2, splits), strict=True):
        if group == "O":
            turn = orthogonal_procrustes(a, b)[0]
        else:
            u, _, vh = np.linalg.svd(a.T @ b)
            turn = u @ np.diag([1.0] * (len(u) - 1) + [np.linalg.det(u @ vh)]) @ vh
        errors.append(np.sum((a @ turn - b) ** 2) / len(a))
    return np.mean(errors)


def by_singular_values(z1, z2, group):
    """One chunk, closed form: ||z1||^2 + ||z2||^2 - 2 (sum of singular values, the least one signed for SO)."""
    product = z2.mT @ z1
    values = torch.linalg.svdvals(product)
    least = values[-1] * (torch.linalg.det(product.detach()).sign() if group == "SO" else 1)
    return (z1.square().sum() + z2.square().sum() - 2 * (values[:-1].sum() + least)) / len(z1)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(("rows", "dimension", "splits"), SHAPES)
def test_agrees_with_the_definition(unit_rows, group, rows, dimension, splits):
    for seed in range(4):
        z1, z2 = unit_rows(rows, dimension, seed), unit_rows(rows, dimension, seed + 10)
        expected = by_definition(z1.numpy(), z2.numpy(), splits, group)
        assert WahbaLoss(splits, group)(z1, z2).item() == pytest.approx(expected, rel=1e-10, abs=1e-14)


WIDE = [(12, 256, 3), (256, 256, 2), (130, 256, 1)]
"""The best map as its factors, twice, and as a matrix, at the dimension where the choice begins."""


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(("rows", "dimension", "splits"), WIDE)
def test_wide_embeddings_have_the_value_and_gradient_of_the_definition(unit_rows, group, rows, dimension, splits):
    views = tuple(unit_rows(rows, dimension, seed).requires_grad_() for seed in (0, 1))
    loss = WahbaLoss(splits, group)(*views)
    expected = by_definition(*(z.detach().numpy() for z in views), splits, group)
    assert loss.item() == pytest.approx(expected, rel=1e-10)
    # With as few rows as here the best map over SO(d) is that over O(d), which scipy finds for either direction.
    chunk = rows // splits
    for found, one, other in zip(grad(loss, views), views, views[::-1], strict=True):
        pairs = zip(*(np.split(z.detach().numpy(), splits) for z in (one, other)), strict=True)
        gradient = [2 * (a - b @ orthogonal_procrustes(b, a)[0]) / (chunk * splits) for a, b in pairs]
        assert found.numpy() == pytest.approx(np.concatenate(gradient), abs=1e-12)


def test_the_best_map_of_few_rows_of_many_dimensions_is_never_formed(unit_rows):
    views = tuple(unit_rows(16, 512, seed).requires_grad_() for seed in (0, 1))
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda kept: sizes.append(kept.numel()) or kept, lambda kept: kept):
        WahbaLoss(2)(*views)
    assert max(sizes) <= 16 * 512


def test_agrees_with_a_search_over_rotations(unit_rows):
    z1, z2 = unit_rows(7, 3, 0).numpy(), unit_rows(7, 3, 1).numpy()

    def error(vector):
        return np.mean(np.sum((Rotation.from_rotvec(vector).apply(z1) - z2) ** 2, axis=1))

    starts = Rotation.random(8, rng=0).as_rotvec()
    least = min(minimize(error, start, method="BFGS").fun for start in starts)
    assert WahbaLoss(1)(torch.from_numpy(z1), torch.from_numpy(z2)).item() == pytest.approx(least, abs=1e-8)


@pytest.mark.parametrize("group", GROUPS)
def test_one_chunk_is_the_square_of_the_evaluations_error_per_sample(unit_rows, group):
    z1, z2 = unit_rows(10, 4, 0), unit_rows(10, 4, 1)
    expected = wahba(z1, z2, group).error_per_sample.item() ** 2
    assert WahbaLoss(1, group)(z1, z2).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("seed", range(4))
def test_zero_for_one_rotation_per_chunk(unit_rows, orthogonal, group, seed):
    z = unit_rows(24, 4, seed)
    turns = [orthogonal(4, 10 * seed + i) for i in range(3)]
    turns = [turn * torch.tensor([1.0, 1, 1, torch.linalg.det(turn).item()]) for turn in turns]
    turned = torch.cat([part @ turn.T for part, turn in zip(z.chunk(3), turns, strict=True)])
    assert WahbaLoss(3, group)(z, turned).item() == pytest.approx(0, abs=1e-25)
    assert WahbaLoss(1, group)(z, turned).item() > 0.1


def test_a_reflection_has_zero_loss_under_o_and_under_so_only_where_a_dimension_is_empty(unit_rows):
    z, mirror = unit_rows(8, 4, 0), torch.diag(torch.tensor([1.0, 1, 1, -1], dtype=torch.float64))
    assert WahbaLoss(1, "O")(z, z @ mirror).item() == pytest.approx(0, abs=1e-25)
    # The singular values are the eigenvalues of z^T z. For SO the least one is negative, which adds 4 times its value.
    expected = 4 * np.linalg.eigvalsh((z.T @ z).numpy())[0] / 8
    assert expected > 0.1
    assert WahbaLoss(1)(z, z @ mirror).item() == pytest.approx(expected, rel=1e-10)
    assert WahbaLoss(1)(z[:3], z[:3] @ mirror).item() == pytest.approx(0, abs=1e-25)


@pytest.mark.parametrize("group", GROUPS)
def test_symmetric_and_invariant_to_order_and_to_a_rotation_of_either_view(unit_rows, orthogonal, group):
    z1, z2, turn = unit_rows(12, 3, 0), unit_rows(12, 3, 1), orthogonal(3, 2)
    turn = turn * torch.linalg.det(turn)
    loss = WahbaLoss(2, group)
    expected = loss(z1, z2).item()
    order = torch.from_numpy(np.random.default_rng(3).permutation(6))
    within, between = torch.cat([order, 6 + order]), torch.arange(12).roll(6)
    assert loss(z2, z1).item() == pytest.approx(expected, abs=1e-13)
    for rows in (within, between):
        assert loss(z1[rows], z2[rows]).item() == pytest.approx(expected, abs=1e-13)
    assert loss(z1 @ turn.T, z2).item() == pytest.approx(expected, abs=1e-13)
    assert loss(z1[within], z2).item() != pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(("rows", "dimension", "splits"), SHAPES)
def test_gradient_agrees_with_finite_differences(unit_rows, group, rows, dimension, splits):
    views = tuple(unit_rows(rows, dimension, seed).requires_grad_() for seed in (0, 1))
    assert gradcheck(WahbaLoss(splits, group), views)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("seed", range(4))
def test_gradient_agrees_with_that_of_the_singular_values(unit_rows, group, seed):
    views = tuple(unit_rows(9, 4, seed + shift).requires_grad_() for shift in (0, 10))
    expected = grad(by_singular_values(*views, group), views)
    for found, wanted in zip(grad(WahbaLoss(1, group)(*views), views), expected, strict=True):
        assert found.numpy() == pytest.approx(wanted.numpy(), abs=1e-12)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_is_zero_where_the_views_agree(unit_rows, group, dtype):
    repeated = unit_rows(2, 4, 0)[[0, 0, 1, 1]]
    for z in (torch.eye(4), repeated, torch.ones(4, 4) / 2, unit_rows(3, 8, 0), torch.zeros(4, 4)):
        z1, z2 = z.to(dtype).requires_grad_(), z.to(dtype).requires_grad_()
        loss = WahbaLoss(1, group)(z1, z2)
        assert loss.item() == pytest.approx(0, abs=1e-12)
        for found in grad(loss, (z1, z2)):
            assert found.numpy() == pytest.approx(np.zeros(z.shape), abs=1e-6)


def test_gradient_at_equal_singular_values():
    """With z2 = z1 / 2 the best map is the identity, and the gradients are 2 (z1 - z2) / n and its opposite."""
    z1, z2 = torch.eye(4).requires_grad_(), (torch.eye(4) / 2).requires_grad_()
    loss = WahbaLoss(1)(z1, z2)
    assert loss.item() == pytest.approx(1 / 4)
    for found, sign in zip(grad(loss, (z1, z2)), (1, -1), strict=True):
        assert found.numpy() == pytest.approx(sign * np.eye(4) / 4, abs=1e-6)


@pytest.mark.parametrize("group", GROUPS)
def test_gradient_is_finite_if_several_maps_are_optimal(group):
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0]))
    halves = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    cases = [(torch.eye(3), mirror), (halves, halves[[0, 0]]), (torch.zeros(3, 3), mirror), (-halves, halves)]
    for first, second in cases:
        views = first.clone().requires_grad_(), second.clone().requires_grad_()
        loss = WahbaLoss(1, group)(*views)
        expected = by_definition(first.numpy(), second.numpy(), 1, group)
        assert loss.item() == pytest.approx(expected, abs=1e-6)
        assert all(torch.isfinite(found).all() for found in grad(loss, views))


def test_gradient_descent_ends_in_views_related_by_a_rotation(unit_rows):
    z1, z2 = unit_rows(8, 3, 0), unit_rows(8, 3, 1).requires_grad_()
    loss = WahbaLoss(2)
    start = loss(z1, z2).item()
    optimiser = torch.optim.SGD([z2], lr=2.0)
    for _ in range(40):
        optimiser.zero_grad()
        loss(z1, z2).backward()
        optimiser.step()
    assert start > 0.1
    assert by_definition(z1.numpy(), z2.detach().numpy(), 2, "SO") < 1e-6


@pytest.mark.parametrize(("rows", "dimension", "splits"), SHAPES)
def test_computes_in_single_precision_or_better(unit_rows, rows, dimension, splits):
    half = [unit_rows(rows, dimension, seed).bfloat16() for seed in (0, 1)]
    expected = by_definition(*(z.double().numpy() for z in half), splits, "SO")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = WahbaLoss(splits)(*half)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_non_finite_value_gives_nan_and_no_error(unit_rows, bad):
    z1, z2 = unit_rows(6, 3, 0), unit_rows(6, 3, 1)
    z1[0, 0] = bad
    assert torch.isnan(WahbaLoss(2)(z1, z2))


def test_refuses_an_unknown_group():
    with pytest.raises(ValueError, match="group is 'U'; expected one of SO, O"):
        WahbaLoss(2, "U")
