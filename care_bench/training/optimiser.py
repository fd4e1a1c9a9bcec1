"""Optimizer and learning-rate schedule of a run."""

from __future__ import annotations

import math
from typing import assert_never

import torch
from torch import nn

from care_bench.config.run import AdamConfig, LARSConfig, OptimizerConfig, SGDConfig


def build_optimizer(config: OptimizerConfig, module: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer of a module's trainable weights with exactly the settings of the config."""
    rate, decay = config.learning_rate, config.weight_decay
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    match config:
        case AdamConfig():
            return torch.optim.Adam(trained, lr=rate, weight_decay=decay, fused=True)
        case SGDConfig():
            return torch.optim.SGD(trained, lr=rate, momentum=config.momentum, weight_decay=decay, fused=True)
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
