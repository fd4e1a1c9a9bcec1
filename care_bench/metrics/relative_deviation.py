"""How unsteady a term of the loss is from step to step, once its trend is taken away."""

from __future__ import annotations

from collections.abc import Sequence

import torch

LEAST_STEPS = 20
"""Fewest steps of a training whose second half is enough for a deviation."""


def relative_deviation(values: Sequence[float]) -> float:
    """Return the deviation of a term over the second half of its steps, relative to its mean there.

    It is the standard deviation of the residuals of a straight line (ddof 2), so that a term that falls steadily has
    none. The mean of k independent draws deviates 1 / sqrt(k) times as much as one draw.

    Args:
        values: (n,), the term at each step of a training, in order.

    Raises:
        ValueError: fewer than 20 steps, a value that is not finite, or a mean that is not above 0.
    """
    if len(values) < LEAST_STEPS:
        raise ValueError(f"{len(values)} steps of training; expected at least {LEAST_STEPS}")
    later = torch.tensor(values, dtype=torch.float64)[(len(values) + 1) // 2 :]
    if not torch.isfinite(later).all():
        raise ValueError("a term of the loss is not finite; expected numbers")
    mean = later.mean()
    if not mean > 0:
        raise ValueError(f"the term has mean {float(mean):.3g} in the second half of training; expected one above 0")
    step = torch.arange(len(later), dtype=torch.float64)
    step, centred = step - step.mean(), later - mean
    residual = centred - step * (step @ centred) / (step @ step)
    return float((residual.square().sum() / (len(later) - 2)).sqrt() / mean)
