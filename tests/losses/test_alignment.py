from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from care_bench.losses import alignment


def test_hand_case():
    z1 = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    z2 = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    assert alignment(z1, z2).item() == pytest.approx((0 + math.sqrt(2) + 2) / 3, abs=1e-14)


def test_agrees_with_numpy(unit_rows):
    z1, z2 = unit_rows(30, 7, 0), unit_rows(30, 7, 1)
    expected = np.mean([math.dist(a, b) for a, b in zip(z1.numpy(), z2.numpy(), strict=True)])
    assert alignment(z1, z2).item() == pytest.approx(expected, abs=1e-14)


def test_symmetric_and_invariant_to_order_and_rotation(unit_rows, orthogonal):
    z1, z2, turn = unit_rows(12, 5, 0), unit_rows(12, 5, 1), orthogonal(5, 2)
    order = torch.from_numpy(np.random.default_rng(3).permutation(12))
    loss = alignment(z1, z2).item()
    assert alignment(z2, z1).item() == pytest.approx(loss, abs=1e-14)
    assert alignment(z1[order], z2[order]).item() == pytest.approx(loss, abs=1e-14)
    assert alignment(z1 @ turn.T, z2 @ turn.T).item() == pytest.approx(loss, abs=1e-14)
    assert alignment(z1 @ turn.T, z2).item() != pytest.approx(loss, abs=1e-3)


def test_gradients(unit_rows):
    views = unit_rows(4, 3, 0).requires_grad_(), unit_rows(4, 3, 1).requires_grad_()
    assert torch.autograd.gradcheck(alignment, views)
    assert torch.autograd.gradgradcheck(alignment, views)


def test_gradient_of_coinciding_views_is_zero(unit_rows):
    z1, z2 = unit_rows(2, 3, 0), unit_rows(2, 3, 1)
    z2[0] = z1[0]
    z1.requires_grad_()
    loss = alignment(z1, z2)
    loss.backward()
    distance = np.linalg.norm(z1[1].detach() - z2[1])
    assert loss.item() == pytest.approx(distance / 2, abs=1e-14)
    assert z1.grad[0].tolist() == [0.0, 0.0, 0.0]
    expected = (z1[1].detach().numpy() - z2[1].numpy()) / distance / 2
    assert z1.grad[1].numpy() == pytest.approx(expected, abs=1e-14)


def test_computes_in_single_precision_under_autocast(unit_rows):
    z1, z2 = (unit_rows(16, 8, seed).bfloat16() for seed in (0, 1))
    expected = np.linalg.norm(z1.double().numpy() - z2.double().numpy(), axis=1).mean()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = alignment(z1, z2)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-6)
