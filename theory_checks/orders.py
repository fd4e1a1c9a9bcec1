"""Exponents of a bound in epsilon and in the norm of A's pseudo-inverse, with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

LEVEL = 0.95
"""Of the confidence intervals."""


@dataclass(frozen=True)
class Exponent:
    """An exponent and half the width of its confidence interval."""

    value: float
    half: float

    def __str__(self) -> str:
        return f"{self.value:.3f}±{self.half:.3f}"


def exponents(values: Sequence[float], *factors: Sequence[float]) -> tuple[Exponent, ...]:
    """Fit value = constant x product of factor^exponent by least squares of the logarithms.

    Args:
        values: (m,) positive.
        factors: (m,) positive each.

    Returns:
        One exponent per factor, with its t-interval over the m points.
    """
    design = np.column_stack([np.ones(len(values)), *map(np.log, factors)])
    target = np.log(values)
    fitted, *_ = np.linalg.lstsq(design, target)
    freedom = len(target) - design.shape[1]
    variance = float(((target - design @ fitted) ** 2).sum()) / freedom
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    halves = scipy.stats.t.ppf((1 + LEVEL) / 2, freedom) * errors
    return tuple(Exponent(float(value), float(half)) for value, half in zip(fitted[1:], halves[1:], strict=True))
