"""Preconditions of every augmentation: a ValueError names argument, value and expectation."""

from __future__ import annotations

import torch

from care_bench.augmentations.parameters import Parameters


def check_draw(n: int, generator: torch.Generator) -> None:
    """Raise ValueError unless n is positive and the generator is on the CPU, for the same draws on every device."""
    if n < 1:
        raise ValueError(f"n is {n}, expected at least 1")
    if generator.device.type != "cpu":
        raise ValueError(f"generator is on {generator.device}, expected a CPU generator (same draws on every device)")


def check_length(name: str, n: int, parameters: Parameters) -> None:
    """Raise ValueError unless the parameters have one row per sample."""
    if len(parameters) != n:
        raise ValueError(f"{name} has {n} samples and parameters has {len(parameters)} rows, expected as many")
