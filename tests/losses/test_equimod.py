from __future__ import annotations

import numpy as np
import pytest
import torch
from lightly.loss import NTXentLoss
from scipy.special import logsumexp

from care_bench.losses import EquiModLoss


def by_definition(predicted, actual, temperature):
    """NT-Xent of every row, predicted or actual, against all other rows, in numpy."""
    n = len(predicted)
    rows = [("predicted", i) for i in range(n)] + [("actual", i) for i in range(n)]
    value = {("predicted", i): predicted[i] for i in range(n)} | {("actual", i): actual[i] for i in range(n)}
    losses = []
    for kind, i in rows:
        partner = ("actual" if kind == "predicted" else "predicted", i)
        logits = {other: value[kind, i] @ value[other] / temperature for other in rows if other != (kind, i)}
        losses.append(logsumexp(list(logits.values())) - logits[partner])
    return np.mean(losses)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_agrees_with_the_definition_and_with_lightly(unit_rows, temperature):
    predicted, actual = unit_rows(12, 5, 0), unit_rows(12, 5, 1)
    loss = EquiModLoss(temperature)(predicted, actual).item()
    assert loss == pytest.approx(by_definition(predicted.numpy(), actual.numpy(), temperature), rel=1e-12)
    assert loss == pytest.approx(NTXentLoss(temperature)(predicted, actual).item(), rel=1e-12)


def test_the_default_temperature_is_that_of_the_release(unit_rows):
    predicted, actual = unit_rows(6, 5, 0), unit_rows(6, 5, 1)
    expected = by_definition(predicted.numpy(), actual.numpy(), 0.2)
    assert EquiModLoss()(predicted, actual).item() == pytest.approx(expected, rel=1e-12)


def test_two_views_at_once_have_each_other_as_negatives(unit_rows):
    """A call with all 2B rows has a larger loss than one call per view, since each row has 2B more negatives."""
    predicted, actual = unit_rows(12, 5, 0), unit_rows(12, 5, 1)
    apart = (EquiModLoss()(predicted[:6], actual[:6]) + EquiModLoss()(predicted[6:], actual[6:])).item() / 2
    assert EquiModLoss()(predicted, actual).item() > apart + 0.3


def test_symmetric_and_invariant_to_order_and_rotation(unit_rows, orthogonal):
    predicted, actual, turn = unit_rows(12, 5, 0), unit_rows(12, 5, 1), orthogonal(5, 2)
    order = torch.from_numpy(np.random.default_rng(3).permutation(12))
    loss = EquiModLoss()(predicted, actual).item()
    assert EquiModLoss()(actual, predicted).item() == pytest.approx(loss, abs=1e-12)
    assert EquiModLoss()(predicted[order], actual[order]).item() == pytest.approx(loss, abs=1e-12)
    assert EquiModLoss()(predicted @ turn.T, actual @ turn.T).item() == pytest.approx(loss, abs=1e-12)
    assert EquiModLoss()(predicted[order], actual).item() != pytest.approx(loss, abs=1e-3)


def test_gradients_go_through_both_arguments(unit_rows):
    views = unit_rows(4, 3, 0).requires_grad_(), unit_rows(4, 3, 1).requires_grad_()
    assert torch.autograd.gradcheck(EquiModLoss(), views)
    assert torch.autograd.gradgradcheck(EquiModLoss(), views)
    assert all(grad.abs().max() > 0.01 for grad in torch.autograd.grad(EquiModLoss()(*views), views))


def test_computes_in_single_precision_or_better(unit_rows):
    half = [unit_rows(16, 8, seed).bfloat16() for seed in (0, 1)]
    expected = by_definition(*(z.double().numpy() for z in half), 0.2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = EquiModLoss()(*half)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)
