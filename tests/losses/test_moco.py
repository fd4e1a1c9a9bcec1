from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from lightly.loss import NTXentLoss
from scipy.special import logsumexp

from care_bench.losses import MoCoInfoNCE, moco_info_nce


def by_definition(query, key, queue, temperature):
    """Mean over queries of -log(e^positive / (e^positive + sum over the queue)), by a loop in numpy."""
    losses = []
    for q, k in zip(query, key, strict=True):
        logits = [q @ k / temperature, *(q @ older / temperature for older in queue)]
        losses.append(logsumexp(logits) - logits[0])
    return np.mean(losses)


def by_lightly(query, key, queue, temperature):
    loss = NTXentLoss(temperature, memory_bank_size=tuple(queue.shape))
    loss.memory_bank.bank = queue
    return loss(query, key).item()


@pytest.fixture
def batch(unit_rows):
    return unit_rows(6, 5, 0), unit_rows(6, 5, 1), unit_rows(20, 5, 2)


def test_agrees_with_the_released_code(released_moco):
    row = released_moco
    query, key, queue = map(torch.from_numpy, (row.query, row.key, row.queue))
    loss = MoCoInfoNCE(row.temperature)(query, key, queue).item()
    assert loss == pytest.approx(row.loss, abs=1e-10, rel=0)
    assert loss == pytest.approx(by_definition(row.query, row.key, row.queue, row.temperature), abs=1e-10, rel=0)
    assert loss == pytest.approx(by_lightly(query, key, queue, row.temperature), abs=1e-10, rel=0)


@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
def test_agrees_with_the_definition_and_with_lightly(batch, temperature):
    loss = moco_info_nce(*batch, temperature).item()
    assert loss == pytest.approx(by_definition(*(z.numpy() for z in batch), temperature), rel=1e-12)
    assert loss == pytest.approx(by_lightly(*batch, temperature), rel=1e-12)


def test_collapse_costs_the_log_of_the_queue_and_the_key():
    z = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    assert moco_info_nce(z.expand(4, 2), z.expand(4, 2), z.expand(9, 2), 0.1).item() == pytest.approx(math.log(10))


def test_one_query_and_a_queue_of_one_key(unit_rows):
    query, key, older = (unit_rows(1, 3, seed) for seed in range(3))
    margin = (query @ (older - key).T).item() / 0.5
    assert moco_info_nce(query, key, older, 0.5).item() == pytest.approx(math.log1p(math.exp(margin)), rel=1e-12)


def test_invariant_to_order_and_rotation(batch, orthogonal):
    query, key, queue = batch
    turn, order = orthogonal(5, 2), torch.from_numpy(np.random.default_rng(3).permutation(6))
    loss = moco_info_nce(*batch, 0.2).item()
    assert moco_info_nce(query[order], key[order], queue.flip(0), 0.2).item() == pytest.approx(loss, abs=1e-12)
    assert moco_info_nce(*(z @ turn.T for z in batch), 0.2).item() == pytest.approx(loss, abs=1e-12)
    assert moco_info_nce(query[order], key, queue, 0.2).item() != pytest.approx(loss, abs=1e-3)


def test_no_gradient_through_key_or_queue(batch):
    query, key, queue = (z.clone().requires_grad_() for z in batch)
    moco_info_nce(query, key, queue, 0.2).backward()
    assert key.grad is None
    assert queue.grad is None
    assert query.grad.abs().max() > 0.01


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_gradients(batch, temperature):
    query, key, queue = batch
    query = query.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda q: moco_info_nce(q, key, queue, temperature), query)
    assert torch.autograd.gradgradcheck(lambda q: moco_info_nce(q, key, queue, temperature), query)


def test_stable_at_a_low_temperature_in_single_precision(batch):
    query, key, queue = (z.float() for z in batch)
    query.requires_grad_()
    loss = MoCoInfoNCE(0.001)(query, key, queue)
    loss.backward()
    assert loss.item() == pytest.approx(by_definition(*(z.numpy() for z in batch), 0.001), rel=1e-5)
    assert torch.isfinite(query.grad).all()


def test_computes_in_single_precision_under_autocast(batch):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = MoCoInfoNCE(0.1)(*(z.float() for z in batch))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(by_definition(*(z.numpy() for z in batch), 0.1), rel=1e-5)


def test_the_queue_may_be_kept_in_another_precision(batch):
    query, key, queue = batch[0].bfloat16(), batch[1].float(), batch[2].half()
    expected = by_definition(*(z.double().numpy() for z in (query, key, queue)), 0.1)
    assert MoCoInfoNCE(0.1)(query, key, queue).dtype == torch.float32
    assert MoCoInfoNCE(0.1)(query, key, queue).item() == pytest.approx(expected, rel=1e-5)
    assert MoCoInfoNCE(0.1)(query.double(), key.double(), queue).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("query", "key", "queue", "message"),
    [
        ((4, 3), (5, 3), (6, 3), r"query has shape \(4, 3\) and key \(5, 3\)"),
        ((4, 3), (4, 3), (3, 6), r"query has shape \(4, 3\) and queue \(3, 6\); expected the same number of columns"),
        ((4, 3), (4, 3), (0, 3), r"queue has shape \(0, 3\)"),
        ((0, 3), (0, 3), (6, 3), r"query has shape \(0, 3\)"),
        ((4, 3), (4, 3), (3,), r"queue has shape \(3,\)"),
    ],
)
def test_refuses_the_shape(query, key, queue, message):
    with pytest.raises(ValueError, match=message):
        MoCoInfoNCE(0.5)(torch.zeros(query), torch.zeros(key), torch.zeros(queue))
