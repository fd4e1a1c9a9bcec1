"""Preconditions of the augmentations: one ValueError each, naming argument, value and expectation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from care_bench.augmentations.parameters import Parameters


def check_draw(n: int, generator: torch.Generator) -> None:
    """Refuse a draw of no samples, and a generator whose numbers would depend on the device."""
    if n < 1:
        raise ValueError(f"n is {n}, expected at least 1")
    if generator.device.type != "cpu":
        raise ValueError(f"generator is on {generator.device}, expected a CPU generator (same draws on every device)")


def check_length(name: str, n: int, parameters: Parameters) -> None:
    """Refuse parameters that are not one row per sample."""
    if len(parameters) != n:
        raise ValueError(f"{name} has {n} samples and parameters has {len(parameters)} rows, expected as many")


def check_probability(name: str, value: float) -> None:
    """Refuse what is not in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {value}, expected a probability in [0, 1]")


def check_range(name: str, value: Sequence[float], upper: float = math.inf) -> None:
    """Refuse what is not a pair 0 < low <= high <= upper of finite numbers."""
    if len(value) != 2 or not 0.0 < value[0] <= value[1] <= upper or math.isinf(value[1]):
        limit = "" if math.isinf(upper) else f" <= {upper:g}"
        raise ValueError(f"{name} is {value}, expected a pair (low, high) with 0 < low <= high{limit}")


def check_size(name: str, value: Sequence[int]) -> None:
    """Refuse what is not a pair of positive integers."""
    if len(value) != 2 or not all(isinstance(side, int) and side > 0 for side in value):
        raise ValueError(f"{name} is {value}, expected (height, width) in pixels, both positive integers")


def check_jitter(name: str, value: Sequence[float]) -> None:
    """Refuse what are not four strengths: non-negative, the hue at most half a turn."""
    if len(value) != 4 or not all(0.0 <= strength < math.inf for strength in value) or value[3] > 0.5:
        raise ValueError(
            f"{name} is {value}, expected (brightness, contrast, saturation, hue), all >= 0 and the hue <= 0.5"
        )


def check_kernel(name: str, value: int, size: Sequence[int]) -> None:
    """Refuse an even kernel, and one that reaches past the reflected border of an image of ``size``."""
    if not isinstance(value, int) or value < 1 or value % 2 == 0 or value // 2 >= min(size):
        raise ValueError(f"{name} is {value}, expected an odd number with half of it below the sides of {tuple(size)}")


def check_statistics(mean: Sequence[float], std: Sequence[float]) -> None:
    """Refuse channel statistics that are not finite, positive (std) and for one or three channels alike."""
    if len(mean) not in (1, 3) or not all(map(math.isfinite, mean)):
        raise ValueError(f"mean is {mean}, expected one finite number for each of 1 or 3 channels")
    if len(std) != len(mean) or not all(0.0 < value < math.inf for value in std):
        raise ValueError(f"std is {std}, expected as many positive numbers as mean has ({len(mean)})")


def check_test_view(name: str, value: str, input_size: Sequence[int], size: Sequence[int]) -> None:
    """Refuse an unknown way to show an image, and a centre crop that is larger than the image."""
    if value not in ("resize", "centre-crop"):
        raise ValueError(f"{name} is {value!r}, expected 'resize' or 'centre-crop'")
    if value == "centre-crop" and (size[0] > input_size[0] or size[1] > input_size[1]):
        raise ValueError(f"{name} is 'centre-crop' of {tuple(size)} from {tuple(input_size)}, expected a smaller size")
