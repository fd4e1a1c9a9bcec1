from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from care_bench.losses import Equivariance, equivariance


def by_definition(z1, z2, splits):
    """Mean over chunks of the mean over ordered pairs of different rows, a loop in numpy."""
    chunks = zip(np.split(z1, splits), np.split(z2, splits), strict=True)
    return np.mean(
        [np.mean([(a[i] @ a[j] - b[i] @ b[j]) ** 2 for i, j in permutations(range(len(a)), 2)]) for a, b in chunks]
    )


def test_released_code_agrees_with_the_released_code(released_equivariance):
    row = released_equivariance
    loss = Equivariance(row.splits, "released-code")(torch.from_numpy(row.z1), torch.from_numpy(row.z2))
    assert loss.item() == pytest.approx(row.loss, abs=1e-10, rel=0)


def test_paper_agrees_with_a_loop_over_pairs(released_equivariance):
    row = released_equivariance
    loss = Equivariance(row.splits)(torch.from_numpy(row.z1), torch.from_numpy(row.z2))
    assert loss.item() == pytest.approx(by_definition(row.z1, row.z2, row.splits), abs=1e-12, rel=0)


def test_sixteen_splits_of_256_differ_by_thirty(unit_rows):
    z1, z2 = unit_rows(256, 8, 0), unit_rows(256, 8, 1)
    paper, released = (equivariance(z1, z2, 16, fidelity).item() for fidelity in ("paper", "released-code"))
    assert released / paper == pytest.approx(30, rel=1e-12)


def test_hand_case():
    z1 = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    z2 = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    # Chunk 1: inner products 0 and 1. Chunk 2: 1 and -1.
    assert equivariance(z1, z2, 2).item() == pytest.approx((1 + 4) / 2, abs=1e-14)


def test_the_norms_of_rows_off_the_sphere_do_not_matter(unit_rows):
    z1, z2 = 2 * unit_rows(8, 3, 0), unit_rows(8, 3, 1)
    assert equivariance(z1, z2, 2).item() == pytest.approx(by_definition(z1.numpy(), z2.numpy(), 2), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fidelity", ["paper", "released-code"])
def test_zero_for_one_orthogonal_map_per_chunk(unit_rows, orthogonal, seed, fidelity):
    z = unit_rows(24, 6, seed)
    turned = torch.cat([part @ orthogonal(6, 10 * seed + i).T for i, part in enumerate(z.chunk(3))])
    assert equivariance(z, turned, 3, fidelity).item() == pytest.approx(0, abs=1e-28)
    assert equivariance(z, turned, 1, fidelity).item() > 1e-3  # three maps are not one


def test_positive_for_a_map_that_is_not_orthogonal(unit_rows, orthogonal):
    z = unit_rows(24, 6, 0)
    stretch = torch.diag(torch.tensor([2.0, 1, 1, 1, 1, 1], dtype=torch.float64)) @ orthogonal(6, 1)
    bent = torch.nn.functional.normalize(z @ stretch, dim=1)
    assert equivariance(z, bent, 3).item() > 1e-3


def test_one_row_that_moves_against_the_others_makes_it_positive():
    z1 = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0]], dtype=torch.float64)
    z2 = z1.clone()
    z2[3] = torch.tensor([0.8, 0.6, 0], dtype=torch.float64)
    # Two of the six unordered pairs change, by 0.2 each.
    assert equivariance(z1, z2, 1).item() == pytest.approx(2 * 0.2**2 / 6, abs=1e-15)


def test_collapsed_and_invariant_embeddings_are_trivial_minima(unit_rows):
    z = unit_rows(8, 3, 0)
    assert equivariance(z, z, 2).item() == 0.0
    assert equivariance(z[:1].expand(8, 3), z[1:2].expand(8, 3), 2).item() == pytest.approx(0, abs=1e-28)


def test_symmetric_in_the_views_and_invariant_to_order_within_and_between_chunks(unit_rows):
    z1, z2 = unit_rows(12, 5, 0), unit_rows(12, 5, 1)
    loss = equivariance(z1, z2, 3).item()
    inside = torch.tensor([3, 1, 0, 2, 4, 7, 6, 5, 11, 10, 8, 9])
    chunks = torch.tensor([8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7])
    across = torch.tensor([4, 1, 2, 3, 0, 5, 6, 7, 8, 9, 10, 11])
    assert equivariance(z2, z1, 3).item() == pytest.approx(loss, abs=1e-14)
    assert equivariance(z1[inside], z2[inside], 3).item() == pytest.approx(loss, abs=1e-14)
    assert equivariance(z1[chunks], z2[chunks], 3).item() == pytest.approx(loss, abs=1e-14)
    assert equivariance(z1[across], z2[across], 3).item() != pytest.approx(loss, abs=1e-4)


def test_each_view_may_be_turned_by_its_own_map(unit_rows, orthogonal):
    z1, z2 = unit_rows(12, 5, 0), unit_rows(12, 5, 1)
    turned = equivariance(z1 @ orthogonal(5, 2).T, z2 @ orthogonal(5, 3).T, 3).item()
    assert turned == pytest.approx(equivariance(z1, z2, 3).item(), abs=1e-14)


def test_chunks_do_not_influence_each_other(unit_rows):
    z1, z2 = unit_rows(12, 5, 0).requires_grad_(), unit_rows(12, 5, 1)
    gradient = torch.autograd.grad(equivariance(z1, z2, 3), z1)[0]
    other = z2.clone()
    other[4:] = unit_rows(8, 5, 2)
    changed = torch.autograd.grad(equivariance(z1, other, 3), z1)[0]
    assert changed[:4].numpy() == pytest.approx(gradient[:4].numpy(), abs=1e-15)
    assert (changed[4:] - gradient[4:]).abs().min() > 1e-9


@pytest.mark.parametrize("fidelity", ["paper", "released-code"])
def test_gradients(unit_rows, fidelity):
    views = unit_rows(6, 3, 0).requires_grad_(), unit_rows(6, 3, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: equivariance(a, b, 2, fidelity), views)
    assert torch.autograd.gradgradcheck(lambda a, b: equivariance(a, b, 2, fidelity), views)


def test_single_precision_resolves_nearly_equal_views(unit_rows):
    z1 = unit_rows(32, 16, 0).float()
    z2 = z1 + 1e-5 * unit_rows(32, 16, 1).float()
    expected = by_definition(z1.double().numpy(), z2.double().numpy(), 4)
    assert equivariance(z1, z2, 4).item() == pytest.approx(expected, rel=1e-4)


def test_computes_in_single_precision_under_autocast(unit_rows):
    z1, z2 = unit_rows(16, 8, 0), unit_rows(16, 8, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = Equivariance(4)(z1.float(), z2.float())
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(by_definition(z1.numpy(), z2.numpy(), 4), rel=1e-5)


def test_widens_half_precision_inputs(unit_rows):
    z1, z2 = (unit_rows(16, 8, seed).half() for seed in (0, 1))
    loss = Equivariance(4)(z1, z2)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(by_definition(z1.double().numpy(), z2.double().numpy(), 4), rel=1e-5)


def test_refuses_an_unknown_fidelity():
    with pytest.raises(ValueError, match="fidelity is 'released'; expected one of paper, released-code"):
        Equivariance(2, "released")
    with pytest.raises(ValueError, match="fidelity is 'released'"):
        equivariance(torch.eye(2), torch.eye(2), 1, "released")
