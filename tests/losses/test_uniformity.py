from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch

from care_bench.losses import uniformity


def by_definition(z):
    return math.log(np.mean([math.exp(a @ b) for a, b in permutations(z, 2)]))


def test_hand_case():
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    assert uniformity(z).item() == pytest.approx(math.log((1 + 1 + math.exp(-1)) / 3), abs=1e-14)


def test_agrees_with_a_loop_over_pairs(unit_rows):
    z = unit_rows(25, 6, 0)
    assert uniformity(z).item() == pytest.approx(by_definition(z.numpy()), abs=1e-12)


def test_blocks_of_rows_change_nothing(unit_rows, monkeypatch):
    z = unit_rows(25, 6, 0).requires_grad_()
    whole = torch.autograd.grad(uniformity(z), z)[0]
    monkeypatch.setitem(uniformity.__globals__, "ROWS_AT_ONCE", 7)
    assert uniformity(z).item() == pytest.approx(by_definition(z.detach().numpy()), abs=1e-12)
    assert torch.autograd.grad(uniformity(z), z)[0].numpy() == pytest.approx(whole.numpy(), abs=1e-15)


def test_does_not_depend_on_the_number_of_rows_in_the_mean(unit_rows):
    """The mean over all batches of two equals that of the whole batch, which is why pairs i = j are left out."""
    z = unit_rows(12, 3, 0)
    batches = [math.exp(uniformity(z[list(pair)]).item()) for pair in permutations(range(12), 2)]
    assert math.log(np.mean(batches)) == pytest.approx(uniformity(z).item(), abs=1e-12)


def test_collapse_is_the_maximum(unit_rows):
    assert uniformity(torch.ones(5, 1, dtype=torch.float64)).item() == pytest.approx(1.0, abs=1e-14)
    assert uniformity(unit_rows(5, 3, 0)).item() < 1.0


def test_invariant_to_order_and_rotation(unit_rows, orthogonal):
    z, turn = unit_rows(12, 5, 0), orthogonal(5, 2)
    loss = uniformity(z).item()
    assert uniformity(z.flip(0)).item() == pytest.approx(loss, abs=1e-14)
    assert uniformity(z @ turn.T).item() == pytest.approx(loss, abs=1e-14)


def test_gradients(unit_rows):
    z = unit_rows(5, 3, 0).requires_grad_()
    assert torch.autograd.gradcheck(uniformity, (z,))
    assert torch.autograd.gradgradcheck(uniformity, (z,))


def test_computes_in_single_precision_under_autocast(unit_rows):
    z = unit_rows(16, 8, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = uniformity(z.float())
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(by_definition(z.numpy()), abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 3), (3,), (2, 2, 2)])
def test_refuses_the_shape(shape):
    with pytest.raises(ValueError, match=r"z has shape \(" + ", ".join(map(str, shape))):
        uniformity(torch.zeros(shape))
