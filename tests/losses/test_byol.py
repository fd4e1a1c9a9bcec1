from __future__ import annotations

import numpy as np
import pytest
import torch
from lightly.loss import NegativeCosineSimilarity

from care_bench.losses import ByolLoss


def by_definition(predicted, target):
    pairs = zip(predicted, target, strict=True)
    return np.mean([2 - 2 * (p @ t) / (np.linalg.norm(p) * np.linalg.norm(t)) for p, t in pairs])


@pytest.fixture
def outputs():
    generator = np.random.default_rng(0)
    return tuple(torch.from_numpy(scale * generator.standard_normal((9, 5))) for scale in (3.0, 0.2))


def test_agrees_with_the_definition_and_with_lightly(outputs):
    loss = ByolLoss()(*outputs).item()
    assert loss == pytest.approx(by_definition(*(z.numpy() for z in outputs)), rel=1e-12)
    assert loss == pytest.approx(2 + 2 * NegativeCosineSimilarity()(*outputs).item(), rel=1e-12)


def test_hand_case():
    predicted = torch.tensor([[2.0, 0.0], [0.0, 5.0], [1.0, 1.0]], dtype=torch.float64)
    target = torch.tensor([[0.1, 0.0], [0.0, -3.0], [4.0, -4.0]], dtype=torch.float64)
    assert ByolLoss()(predicted, target).item() == pytest.approx((0 + 4 + 2) / 3, abs=1e-14)


def test_symmetric_in_value_and_invariant_to_norms_order_and_rotation(outputs, orthogonal):
    predicted, target = outputs
    turn, order = orthogonal(5, 2), torch.from_numpy(np.random.default_rng(3).permutation(9))
    norms = torch.linspace(0.01, 100, 9, dtype=torch.float64)[:, None]
    loss = ByolLoss()(predicted, target).item()
    assert ByolLoss()(target, predicted).item() == pytest.approx(loss, abs=1e-14)
    assert ByolLoss()(norms * predicted, target).item() == pytest.approx(loss, abs=1e-14)
    assert ByolLoss()(predicted, norms * target).item() == pytest.approx(loss, abs=1e-14)
    assert ByolLoss()(predicted[order], target[order]).item() == pytest.approx(loss, abs=1e-14)
    assert ByolLoss()(predicted @ turn.T, target @ turn.T).item() == pytest.approx(loss, abs=1e-14)
    assert ByolLoss()(predicted[order], target).item() != pytest.approx(loss, abs=1e-3)


def test_no_gradient_through_the_target(outputs):
    predicted, target = (z.clone().requires_grad_() for z in outputs)
    ByolLoss()(predicted, target).backward()
    assert target.grad is None
    assert predicted.grad.abs().max() > 0.001


def test_gradients(outputs):
    predicted, target = outputs
    predicted.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: ByolLoss()(p, target), predicted)
    assert torch.autograd.gradgradcheck(lambda p: ByolLoss()(p, target), predicted)


@pytest.mark.parametrize("sign", [1, -1])
def test_gradient_vanishes_where_the_directions_agree_or_oppose(outputs, sign):
    predicted = outputs[0].requires_grad_()
    ByolLoss()(predicted, sign * outputs[0].detach()).backward()
    assert predicted.grad.numpy() == pytest.approx(np.zeros((9, 5)), abs=1e-15)


def test_single_precision_resolves_a_nearly_right_prediction(outputs):
    target = outputs[0].float()
    predicted = target + 1e-4 * outputs[1].float()
    expected = by_definition(predicted.double().numpy(), target.double().numpy())
    assert expected < 1e-9
    assert ByolLoss()(predicted, target).item() == pytest.approx(expected, rel=0.05)


def test_computes_in_single_precision_or_better(outputs):
    half = [z.bfloat16() for z in outputs]
    expected = by_definition(*(z.double().numpy() for z in half))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = ByolLoss()(*half)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)
