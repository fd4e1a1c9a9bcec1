"""MoCo-v2: loss, momentum encoder and queue over three steps of SGD, computed in numpy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from care_bench.config.run import SGDConfig
from care_bench.methods import Method, View
from care_bench.models import Encoder, group_batchnorm
from care_bench.training.optimiser import build_optimizer
from care_bench.training.session import Pretraining

Array = np.ndarray[Any, Any]
Build = Callable[..., Method]
Views = Callable[..., list[View]]
Rows = Callable[[View], Array]
Unit = Callable[[Array], Array]

B, M, TEMPERATURE = 4, 0.75, 0.2


def info_nce(query: Array, key: Array, queue: Array) -> float:
    """Return the mean cross-entropy of the positive key against the queue, by a loop."""
    losses = []
    for q, k in zip(query, key, strict=True):
        logits = np.array([q @ k, *(q @ old for old in queue)]) / TEMPERATURE
        losses.append(np.log(np.exp(logits).sum()) - logits[0])
    return float(np.mean(losses))


def matrices(encoder: Encoder) -> list[Array]:
    """Return the encoder's two matrices in float64."""
    return [layer.weight.detach().double().numpy().copy() for layer in (encoder.backbone, encoder.projector)]


@pytest.mark.parametrize(("symmetric", "queue", "end"), [(False, 12, 0), (False, 8, 4), (True, 16, 8), (True, 8, 0)])
def test_three_steps_of_sgd_by_hand(
    symmetric: bool,
    queue: int,
    end: int,
    build: Build,
    linear: Encoder,
    draw_views: Views,
    rows_of: Rows,
    unit: Unit,
) -> None:
    """Queues that hold one to three steps of 4 or 8 keys: keys are written in order and wrap around."""
    method = build("moco_v2", linear, queue=queue, momentum=M, temperature=TEMPERATURE, symmetric=symmetric)
    ring = method.get_buffer("queue").double().numpy().copy()
    np.testing.assert_allclose(np.linalg.norm(ring, axis=1), 1, rtol=1e-6)
    optimizer = torch.optim.SGD(linear.parameters(), lr=0.5)
    slow, position = matrices(linear), 0
    for step in range(1, 4):
        views = draw_views(method, B, seed=step)
        fast = matrices(linear)
        first, second = (rows_of(view) for view in views)
        pairs = [(first, second), (second, first)] if symmetric else [(first, second)]
        keys = [unit(key @ slow[0].T @ slow[1].T) for _, key in pairs]
        losses = [
            info_nce(unit(query @ fast[0].T @ fast[1].T), key, ring)
            for (query, _), key in zip(pairs, keys, strict=True)
        ]
        terms = method(linear, views)
        assert {name: term.item() for name, term in terms.items()} == {"info_nce": pytest.approx(sum(losses), rel=1e-5)}
        np.testing.assert_allclose(method.get_buffer("queue"), ring, rtol=1e-5, atol=1e-6, err_msg="before the step")

        optimizer.zero_grad()
        terms["info_nce"].backward()
        optimizer.step()
        method.after_step(linear, step, total=3)

        assert not np.allclose(matrices(linear)[0], fast[0], atol=1e-3), "the step changed nothing"
        slow = [M * old + (1 - M) * new for old, new in zip(slow, matrices(linear), strict=True)]
        for key in np.concatenate(keys):
            ring[position % queue] = key
            position += 1
        np.testing.assert_allclose(method.get_buffer("queue"), ring, rtol=1e-5, atol=1e-6)
        assert method.get_buffer("position").item() == position % queue
        for found, expected in zip(matrices(method.get_submodule("momentum_encoder.encoder")), slow, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert method.get_buffer("position").item() == end


@pytest.mark.parametrize("symmetric", [False, True])
def test_groups_of_batchnorm_with_shuffled_keys_by_hand(
    symmetric: bool, build: Build, draw_views: Views, rows_of: Rows, by_numpy: Callable[..., Array], unit: Unit
) -> None:
    """Three groups of 4 rows: each is its own batch to BatchNorm, and the second view's rows are dealt to them."""
    torch.manual_seed(6)
    plain = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    encoder = Encoder(group_batchnorm(copy.deepcopy(plain), 3, "mean"), nn.Identity(), 3, 3).train()
    method = build("moco_v2", encoder, queue=24, symmetric=symmetric, temperature=TEMPERATURE)
    first, second = draw_views(method, 12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    dealt = View(second.inputs[order], second.parameters, order)

    def embedded(rows: Array, order: Array) -> Array:
        parts = [by_numpy(plain, part) for part in np.split(rows[order], 3)]
        return unit(np.concatenate(parts)[np.argsort(order)])

    one, other = embedded(rows_of(first), np.arange(12)), embedded(rows_of(second), order.numpy())
    ring = method.get_buffer("queue").double().numpy()
    expected = info_nce(one, other, ring) + (info_nce(other, one, ring) if symmetric else 0)
    assert method(encoder, [first, dealt])["info_nce"].item() == pytest.approx(expected, rel=1e-5)
    assert method.shuffled == (1,)
    together = unit(by_numpy(plain, rows_of(first))), unit(by_numpy(plain, rows_of(second)))
    assert info_nce(*together, ring) != pytest.approx(info_nce(one, other, ring), rel=1e-2)


def test_gradients_reach_the_trained_encoder_alone(build: Build, linear: Encoder, draw_views: Views) -> None:
    method = build("moco_v2", linear, queue=16, symmetric=True)
    module = Pretraining(linear, method)
    optimizer = build_optimizer(SGDConfig(name="sgd", learning_rate=0.1), module)
    optimized = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert optimized == {id(weight) for weight in linear.parameters()}
    loss, *_ = module(draw_views(method, B))
    loss.backward()
    assert all(weight.grad is None and not weight.requires_grad for weight in method.parameters())
    assert all(weight.grad.abs().max() > 0 for weight in linear.parameters())
    assert not method.get_buffer("queue").requires_grad


def test_queue_and_position_are_part_of_the_state(build: Build, linear: Encoder, draw_views: Views) -> None:
    """A method that loads the state continues as the original does."""
    used, fresh = (build("moco_v2", linear, queue=8, momentum=M, seed=seed) for seed in (0, 1))
    used(linear, draw_views(used, B))
    used.after_step(linear, 1, total=2)
    fresh.load_state_dict(used.state_dict())
    for method in (used, fresh):
        method(linear, draw_views(method, B, seed=1))
        method.after_step(linear, 2, total=2)
    assert torch.equal(used.get_buffer("queue"), fresh.get_buffer("queue"))


def test_keys_of_a_shuffled_view_return_to_the_order_of_queries(
    build: Build, linear: Encoder, draw_views: Views
) -> None:
    plain, shuffled = (build("moco_v2", linear, queue=8) for _ in range(2))
    query, key = draw_views(plain, B)
    order = torch.tensor([2, 0, 3, 1])
    dealt = View(key.inputs[order], key.parameters, order)
    expected = plain(linear, [query, key])["info_nce"].item()
    assert shuffled(linear, [query, dealt])["info_nce"].item() == pytest.approx(expected, rel=1e-6)
    wrong = build("moco_v2", linear, queue=8)(linear, [query, View(dealt.inputs, key.parameters)])
    assert wrong["info_nce"].item() != pytest.approx(expected, rel=1e-2)
    for method in (plain, shuffled):
        method.after_step(linear, 1, total=1)
    torch.testing.assert_close(shuffled.get_buffer("queue"), plain.get_buffer("queue"))
