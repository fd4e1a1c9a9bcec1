from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from lightly.loss import NTXentLoss
from scipy.special import logsumexp

from care_bench.losses import InfoNCE, info_nce, info_nce_terms


def by_definition(z1, z2, temperature):
    """Mean over views of -log(e^positive / (e^positive + sum over negatives)), by a loop in numpy."""
    views = np.concatenate([z1, z2])
    n = len(views)
    losses = []
    for i in range(n):
        partner = (i + n // 2) % n
        others = [views[i] @ views[j] / temperature for j in range(n) if j != i]
        losses.append(logsumexp(others) - views[i] @ views[partner] / temperature)
    return np.mean(losses)


def test_agrees_with_the_released_code(released_nt_xent):
    row = released_nt_xent
    loss = InfoNCE(row.temperature)(torch.from_numpy(row.z1), torch.from_numpy(row.z2))
    assert loss.item() == pytest.approx(row.loss, abs=1e-10, rel=0)


def test_agrees_with_the_definition(released_nt_xent):
    row = released_nt_xent
    loss = info_nce(torch.from_numpy(row.z1), torch.from_numpy(row.z2), row.temperature)
    assert loss.item() == pytest.approx(by_definition(row.z1, row.z2, row.temperature), abs=1e-10, rel=0)


def test_agrees_with_lightly(released_nt_xent):
    row = released_nt_xent
    z1, z2 = torch.from_numpy(row.z1), torch.from_numpy(row.z2)
    expected = NTXentLoss(temperature=row.temperature)(z1, z2)
    assert InfoNCE(row.temperature)(z1, z2).item() == pytest.approx(expected.item(), rel=1e-10)


def test_terms_add_up_to_the_loss(released_nt_xent):
    row = released_nt_xent
    terms = info_nce_terms(torch.from_numpy(row.z1), torch.from_numpy(row.z2), row.temperature)
    assert sum(term.item() for term in terms) == pytest.approx(row.loss, abs=1e-10, rel=0)


def test_the_invariance_term_is_the_one_the_released_code_logs(released_nt_xent):
    row = released_nt_xent
    term, _ = info_nce_terms(torch.from_numpy(row.z1), torch.from_numpy(row.z2), row.temperature)
    assert term.item() == pytest.approx(row.alignment_part, abs=1e-10, rel=0)
    assert term.item() == pytest.approx(-np.mean(np.sum(row.z1 * row.z2, axis=1)) / row.temperature, abs=1e-10, rel=0)


def test_the_uniformity_term_keeps_the_positive_that_the_released_code_leaves_out(released_nt_xent):
    row = released_nt_xent
    views = np.concatenate([row.z1, row.z2])
    n = len(views)
    similarity = views @ views.T / row.temperature
    index = np.arange(n)
    similarity[index, index] = -np.inf
    with_positive = logsumexp(similarity, axis=1).mean()
    similarity[index, (index + n // 2) % n] = -np.inf
    without_positive = logsumexp(similarity, axis=1).mean()

    _, term = info_nce_terms(torch.from_numpy(row.z1), torch.from_numpy(row.z2), row.temperature)

    assert term.item() == pytest.approx(with_positive, abs=1e-10, rel=0)
    assert row.uniformity_part == pytest.approx(without_positive, abs=1e-10, rel=0)
    assert row.alignment_part + row.uniformity_part < row.loss - 0.005


def test_the_loss_at_collapse_is_the_log_of_the_number_of_other_views():
    z = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(5, 2)
    assert info_nce(z, z, 0.5).item() == pytest.approx(math.log(9), abs=1e-12)


def test_symmetric_in_the_views_and_invariant_to_order_and_rotation(unit_rows, orthogonal):
    z1, z2, turn = unit_rows(12, 5, 0), unit_rows(12, 5, 1), orthogonal(5, 2)
    order = torch.from_numpy(np.random.default_rng(3).permutation(12))
    loss = info_nce(z1, z2, 0.2).item()
    assert info_nce(z2, z1, 0.2).item() == pytest.approx(loss, abs=1e-12)
    assert info_nce(z1[order], z2[order], 0.2).item() == pytest.approx(loss, abs=1e-12)
    assert info_nce(z1 @ turn.T, z2 @ turn.T, 0.2).item() == pytest.approx(loss, abs=1e-12)
    assert info_nce(z1[order], z2, 0.2).item() != pytest.approx(loss, abs=1e-3)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_gradients(unit_rows, temperature):
    views = unit_rows(4, 3, 0).requires_grad_(), unit_rows(4, 3, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: info_nce(a, b, temperature), views)
    assert torch.autograd.gradgradcheck(lambda a, b: info_nce(a, b, temperature), views)
    assert torch.autograd.gradcheck(lambda a, b: info_nce_terms(a, b, temperature), views)
    assert torch.autograd.gradcheck(lambda a, b: info_nce_terms(a, b, temperature, groups=2), views)


def test_stable_at_a_low_temperature_in_single_precision(unit_rows):
    z1, z2 = unit_rows(32, 8, 0), unit_rows(32, 8, 1)
    single = [z.float().requires_grad_() for z in (z1, z2)]
    loss = InfoNCE(0.01)(*single)
    loss.backward()
    assert loss.item() == pytest.approx(by_definition(z1.numpy(), z2.numpy(), 0.01), rel=1e-5)
    assert all(torch.isfinite(z.grad).all() for z in single)


def test_computes_in_single_precision_under_autocast(unit_rows):
    z1, z2 = unit_rows(16, 8, 0), unit_rows(16, 8, 1)
    expected = by_definition(z1.numpy(), z2.numpy(), 0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = InfoNCE(0.1)(z1.float(), z2.float())
        terms = info_nce_terms(z1.float(), z2.float(), 0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert sum(terms).item() == pytest.approx(expected, rel=1e-5)


def test_widens_half_precision_inputs(unit_rows):
    z1, z2 = (unit_rows(16, 8, seed).bfloat16() for seed in (0, 1))
    loss = InfoNCE(0.1)(z1, z2)
    expected = by_definition(z1.double().numpy(), z2.double().numpy(), 0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("groups", [2, 4, 8])
def test_groups_are_infonce_run_group_by_group(unit_rows, groups):
    z1, z2 = unit_rows(16, 5, 0), unit_rows(16, 5, 1)
    parts = list(zip(z1.chunk(groups), z2.chunk(groups), strict=True))
    alone = [info_nce(first, second, 0.3).item() for first, second in parts]
    by_loop = [by_definition(first.numpy(), second.numpy(), 0.3) for first, second in parts]
    invariance, uniformity = info_nce_terms(z1, z2, 0.3, groups)
    assert (invariance + uniformity).item() == pytest.approx(np.mean(alone), abs=1e-12)
    assert (invariance + uniformity).item() == pytest.approx(np.mean(by_loop), abs=1e-12)
    assert invariance.item() == pytest.approx(info_nce_terms(z1, z2, 0.3)[0].item(), abs=1e-12)
    assert uniformity.item() < info_nce_terms(z1, z2, 0.3)[1].item() - 0.1, "fewer negatives"


@pytest.mark.parametrize("groups", [0, 5, 16])
def test_groups_that_do_not_divide_the_batch_are_refused(unit_rows, groups):
    with pytest.raises(ValueError, match=f"a batch of 16 rows in {groups} groups; expected a multiple with at least 2"):
        info_nce_terms(unit_rows(16, 5, 0), unit_rows(16, 5, 1), 0.3, groups)
