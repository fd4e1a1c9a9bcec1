"""Optimizers and schedules: settings, LARS against a loop in numpy and against lightly's, warm-up and cosine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from lightly.utils.lars import LARS
from torch import nn

from care_bench.config.run import AdamConfig, LARSConfig, SGDConfig
from care_bench.training.optimiser import build_optimizer, learning_rate_factor

STEPS = 4


def one_weight() -> nn.Module:
    layer = nn.Linear(1, 2, bias=False)
    nn.init.ones_(layer.weight)
    return layer


def test_optimizers_have_the_settings_of_the_config() -> None:
    adam = build_optimizer(AdamConfig(name="adam", learning_rate=0.5, weight_decay=0.25), one_weight())
    assert isinstance(adam, torch.optim.Adam)
    assert (adam.defaults["lr"], adam.defaults["weight_decay"]) == (0.5, 0.25)
    layer = one_weight()
    sgd = build_optimizer(SGDConfig(name="sgd", learning_rate=0.5, momentum=0.5, weight_decay=0.1), layer)
    layer.weight.grad = torch.ones(2, 1)
    sgd.step()
    # w - lr (grad + decay w) = 1 - 0.5 * 1.1
    torch.testing.assert_close(layer.weight.detach(), torch.full((2, 1), 0.45))
    sgd.step()
    # velocity 0.5 * 1.1 + 1 + 0.1 * 0.45 = 1.595
    torch.testing.assert_close(layer.weight.detach(), torch.full((2, 1), 0.45 - 0.5 * 1.595))


@pytest.mark.parametrize("name", ["adam", "sgd", "lars"])
def test_frozen_weights_are_left_out(name: str) -> None:
    config = {"adam": AdamConfig, "sgd": SGDConfig, "lars": LARSConfig}[name](name=name, learning_rate=0.1)
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3).requires_grad_(False))
    optimizer = build_optimizer(config, module)
    optimized = [id(weight) for group in optimizer.param_groups for weight in group["params"]]
    assert sorted(optimized) == sorted(id(weight) for weight in module[0].parameters())


def network() -> nn.Module:
    """Return a matrix with bias, BatchNorm, a convolution kernel, and a zero matrix, whose norm gives no local rate."""
    torch.manual_seed(0)
    zeros = nn.Linear(3, 2, bias=False)
    nn.init.zeros_(zeros.weight)
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Conv2d(3, 2, 3, bias=False), zeros)
    for weight in module[1].parameters():
        nn.init.normal_(weight)
    return module


def gradients(module: nn.Module) -> list[list[np.ndarray[Any, Any]]]:
    generator = np.random.default_rng(1)
    return [[generator.standard_normal(weight.shape) for weight in module.parameters()] for _ in range(STEPS)]


def train(optimizer: torch.optim.Optimizer, module: nn.Module, rates: list[float]) -> list[torch.Tensor]:
    for rate, grads in zip(rates, gradients(module), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        for weight, gradient in zip(module.parameters(), grads, strict=True):
            weight.grad = torch.from_numpy(gradient).float()
        optimizer.step()
    return [weight.detach() for weight in module.parameters()]


RATES = [0.5, 2.0, 1.0, 0.25]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_lars_agrees_with_a_loop(momentum: float, decay: float) -> None:
    """The local rate is trust |w| / (|g| + decay |w|) on g + decay w (You et al.); biases and BatchNorm use plain SGD.

    The learning rate multiplies the velocity, so that a schedule affects old steps at once, as in SGD.
    """
    trust = 0.02
    module = network()
    weights = [weight.detach().double().numpy().copy() for weight in module.parameters()]
    velocities = [np.zeros_like(weight) for weight in weights]
    for rate, grads in zip(RATES, gradients(module), strict=True):
        for k, gradient in enumerate(grads):
            step = gradient
            if weights[k].ndim > 1:
                length, slope = np.linalg.norm(weights[k]), np.linalg.norm(gradient)
                local = trust * length / (slope + decay * length) if length > 0 else 1.0
                step = local * (gradient + decay * weights[k])
            velocities[k] = momentum * velocities[k] + step
            weights[k] = weights[k] - rate * velocities[k]
    config = LARSConfig(name="lars", learning_rate=1.0, momentum=momentum, weight_decay=decay, trust_coefficient=trust)
    found = train(build_optimizer(config, module), module, RATES)
    assert [weight.ndim for weight in found] == [2, 1, 1, 1, 4, 2]
    for weight, expected in zip(found, weights, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)


def test_lars_agrees_with_lightly() -> None:
    config = LARSConfig(name="lars", learning_rate=1.0, weight_decay=0.05, trust_coefficient=0.02)
    module, other = network()[:3], network()[:3]
    groups = [
        {"params": [weight for weight in other.parameters() if weight.ndim > 1]},
        {"params": [weight for weight in other.parameters() if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    lightlys = LARS(groups, lr=1.0, momentum=0.9, weight_decay=0.05, trust_coefficient=0.02)
    found = train(build_optimizer(config, module), module, RATES)
    for weight, expected in zip(found, train(lightlys, other, RATES), strict=True):
        torch.testing.assert_close(weight, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("step", "factor"),
    # 10 steps: 2 of warm-up, then half a cosine over 8 steps, by hand.
    [(0, 0.5), (1, 1.0), (2, 1.0), (6, 0.5), (4, (1 + math.sqrt(0.5)) / 2), (9, (1 + math.cos(7 * math.pi / 8)) / 2)],
)
def test_cosine_with_warm_up(step: int, factor: float) -> None:
    assert learning_rate_factor(step, total=10, warmup=2, schedule="cosine") == pytest.approx(factor, abs=1e-12)


def test_a_constant_schedule_stays_after_the_warm_up() -> None:
    assert [learning_rate_factor(s, 10, 2, "constant") for s in range(4)] == [0.5, 1, 1, 1]
