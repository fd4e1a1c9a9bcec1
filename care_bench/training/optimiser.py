"""Optimizer and learning-rate schedule of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, assert_never

import torch
from torch import Tensor, nn

from care_bench.config.run import AdamConfig, LARSConfig, OptimizerConfig, SGDConfig
from care_bench.optimizers import SGD, Adam


def build_optimizer(config: OptimizerConfig, module: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer of a module's trainable weights with exactly the settings of the config."""
    rate, decay = config.learning_rate, config.weight_decay
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    match config:
        case AdamConfig():
            return Adam(trained, lr=rate, weight_decay=decay, fused=True)
        case SGDConfig():
            return SGD(trained, lr=rate, momentum=config.momentum, weight_decay=decay, fused=True)
        case LARSConfig():
            from timm.optim.lars import Lars  # imported here: it takes seconds, and only LARS needs it

            # always_adapt: without it, timm's LARS scales no step of a group whose weight decay is 0.
            weights = [parameter for parameter in trained if parameter.ndim > 1]
            others = [parameter for parameter in trained if parameter.ndim <= 1]
            groups = [
                {"params": weights, "weight_decay": decay, "always_adapt": True},
                {"params": others, "weight_decay": 0.0},
            ]
            lars: torch.optim.Optimizer = Lars(
                groups, lr=rate, momentum=config.momentum, trust_coeff=config.trust_coefficient
            )
            return lars
    assert_never(config)


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load the state of an optimizer after checking that it is one of these weights under these settings.

    torch itself would take the settings of the state, and tensors of any shape.

    Raises:
        ValueError: another number of weights, another setting, or a tensor of another shape or type.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    groups, numbers = state["param_groups"], [number for group in state["param_groups"] for number in group["params"]]
    if numbers != list(range(len(weights))) or len(groups) != len(optimizer.param_groups):
        raise ValueError(f"the optimizer has {len(numbers)} weights in {len(groups)} groups, this one {len(weights)}")
    for own, saved in zip(optimizer.param_groups, groups, strict=True):
        for key in own.keys() - {"params", "lr"}:
            if saved.get(key, own[key]) != own[key]:
                raise ValueError(f"the optimizer has {key} = {saved[key]}, expected {own[key]}")
    for number, values in state["state"].items():
        weight = weights[number]
        for key, value in values.items():
            # A step count is a scalar; moments have the shape of their weight.
            if isinstance(value, Tensor) and value.ndim and (value.shape, value.dtype) != (weight.shape, weight.dtype):
                raise ValueError(f"{key} of weight {number} is {tuple(value.shape)}, expected {tuple(weight.shape)}")
    optimizer.load_state_dict(dict(state))


def learning_rate_factor(step: int, total: int, warmup: int, schedule: str) -> float:
    """Return the factor on the learning rate at a step.

    Args:
        step: step, from 0.
        total: steps of the run.
        warmup: steps of linear warm-up; step s of it has factor (s + 1) / warmup.
        schedule: `constant`, or `cosine`: (1 + cos(pi t)) / 2, with t rising from 0 after the warm-up towards 1 at
            ``total``.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
