"""BYOL: loss and momentum encoder over steps of SGD, computed in numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from care_bench.config.run import SGDConfig
from care_bench.methods import Method, View
from care_bench.models import Encoder
from care_bench.training.optimiser import build_optimizer
from care_bench.training.session import Pretraining

Array = np.ndarray[Any, Any]
Build = Callable[..., Method]
Views = Callable[..., list[View]]
Rows = Callable[[View], Array]
ByNumpy = Callable[[nn.Module, Array], Array]


def direction_loss(predicted: Array, target: Array) -> float:
    """Return the mean of 2 - 2 cos by a loop."""
    cosines = [p @ t / np.linalg.norm(p) / np.linalg.norm(t) for p, t in zip(predicted, target, strict=True)]
    return 2 - 2 * float(np.mean(cosines))


def matrix(encoder: Encoder) -> Array:
    """Return the product of the encoder's two matrices in float64."""
    backbone, head = (layer.weight.detach().double().numpy() for layer in (encoder.backbone, encoder.projector))
    return head @ backbone


def test_the_loss_sums_both_directions(
    build: Build, linear: Encoder, draw_views: Views, rows_of: Rows, by_numpy: ByNumpy
) -> None:
    method = build("byol", linear, predictor_hidden=6)
    predictor = method.get_submodule("predictor")
    assert [type(layer) for layer in predictor] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    target = matrix(linear)
    with torch.no_grad():
        linear.backbone.weight.add_(0.3)  # now it differs from the momentum encoder
    views = draw_views(method, 8)
    first, second = (rows_of(view) for view in views)
    predicted = [by_numpy(predictor, rows @ matrix(linear).T) for rows in (first, second)]
    expected = direction_loss(predicted[0], second @ target.T) + direction_loss(predicted[1], first @ target.T)
    terms = method(linear, views)
    assert {name: term.item() for name, term in terms.items()} == {"byol": pytest.approx(expected, rel=1e-5)}
    assert method(linear, views[::-1])["byol"].item() == pytest.approx(expected, rel=1e-5)


def test_three_steps_of_sgd_by_hand(build: Build, linear: Encoder, draw_views: Views, rows_of: Rows) -> None:
    """The momentum at step k is 1 - (1 - base) (cos(pi k / 3) + 1) / 2."""
    shares = [0.8, 1 - 0.2 * (0.5 + 1) / 2, 1 - 0.2 * (-0.5 + 1) / 2]
    method = build("byol", linear, momentum=0.8)
    optimizer = torch.optim.SGD([*linear.parameters(), *method.get_submodule("predictor").parameters()], lr=0.5)
    copy = method.get_submodule("momentum_encoder.encoder")
    slow = linear.backbone.weight.detach().double()
    for step, share in enumerate(shares, start=1):
        before = linear.backbone.weight.detach().clone()
        loss = method(linear, draw_views(method, 8, seed=step))["byol"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch.testing.assert_close(copy.backbone.weight.double(), slow, rtol=1e-5, atol=1e-6)
        method.after_step(linear, step, total=3)
        assert (linear.backbone.weight - before).abs().max() > 1e-3, "the step changed nothing"
        slow = share * slow + (1 - share) * linear.backbone.weight.detach().double()
        torch.testing.assert_close(copy.backbone.weight.double(), slow, rtol=1e-5, atol=1e-6)


def test_the_last_of_many_steps_keeps_nearly_all(build: Build, linear: Encoder) -> None:
    method = build("byol", linear, momentum=0.9)
    copy = method.get_submodule("momentum_encoder.encoder").projector.weight
    before = copy.double().clone()
    with torch.no_grad():
        linear.projector.weight.add_(1.0)
    method.after_step(linear, 1000, total=1000)
    moved = 0.1 * (1 + math.cos(math.pi * 999 / 1000)) / 2  # moved by 2.5e-7 of a distance of 1
    torch.testing.assert_close(copy.double() - before, torch.full((3, 4), moved).double(), rtol=0, atol=1e-7)


def test_gradients_reach_encoder_and_predictor_alone(build: Build, linear: Encoder, draw_views: Views) -> None:
    method = build("byol", linear)
    module = Pretraining(linear, method)
    optimizer = build_optimizer(SGDConfig(name="sgd", learning_rate=0.1), module)
    optimized = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    trained = [*linear.parameters(), *method.get_submodule("predictor").parameters()]
    assert optimized == {id(weight) for weight in trained}
    loss, *_ = module(draw_views(method, 8))
    loss.backward()
    assert all(weight.grad is not None for weight in trained)
    frozen = list(method.get_submodule("momentum_encoder").parameters())
    assert frozen
    assert all(weight.grad is None and not weight.requires_grad for weight in frozen)
