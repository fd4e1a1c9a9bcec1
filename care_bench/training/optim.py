"""Optimizer and learning-rate schedule of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from care_bench.config.run import AdamConfig, SGDConfig


def build_optimizer(config: AdamConfig | SGDConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the optimizer with exactly the settings of the config; one fused kernel updates all weights."""
    rate, decay = config.learning_rate, config.weight_decay
    if isinstance(config, AdamConfig):
        return torch.optim.Adam(parameters, lr=rate, weight_decay=decay, fused=True)
    return torch.optim.SGD(parameters, lr=rate, momentum=config.momentum, weight_decay=decay, fused=True)


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
