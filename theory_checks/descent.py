"""Minimisation down to rounding error, and what kind of point a descent ended at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from theory_checks.observing import Stuck

MACHINE_ZERO = 1e-20
"""Largest mean of squared Gram differences that counts as zero: differences of 1e-10."""
STATIONARY = 1e-7
"""Largest entry of a gradient that counts as zero."""
FLAT = 1e-6
"""Largest eigenvalue of a Hessian that counts as zero, relative to the largest of all and to no less than 1e-3."""

Objective = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Descent:
    """The kept iterates of a minimiser, the end last, and where it ended.

    Attributes:
        iterates: what is compared, such as embeddings; the end last.
        loss: of the end.
        gradient: the largest entry of the gradient at the end.
        objective: the loss of the parameters.
        parameters: the end.
    """

    iterates: Sequence[Tensor]
    loss: float
    gradient: float
    objective: Objective
    parameters: Tensor

    @property
    def at_zero(self) -> bool:
        """Whether the loss is zero up to rounding."""
        return self.loss <= MACHINE_ZERO


def minimise(objective: Objective, start: Tensor, steps: int, keep_every: int = 4) -> Descent:
    """Minimise by scipy's L-BFGS, down to rounding error where the objective allows it."""

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(flat).reshape(start.shape).requires_grad_()
        value = objective(x)
        return value.item(), torch.autograd.grad(value, x)[0].flatten().numpy()

    path = [start]
    result = scipy.optimize.minimize(
        value_and_gradient,
        start.flatten().numpy(),
        jac=True,
        method="L-BFGS-B",
        callback=lambda x: path.append(torch.from_numpy(x.copy()).reshape(start.shape)),
        options={"maxiter": steps, "maxfun": 3 * steps, "ftol": 0.0, "gtol": 1e-13, "maxcor": 30},
    )
    last = torch.from_numpy(result.x).reshape(start.shape)
    return Descent([*path[::keep_every], last], float(result.fun), float(np.abs(result.jac).max()), objective, last)


def stuck(descent: Descent) -> Stuck | None:
    """Say where a descent is stuck, or return None where its loss is zero.

    A point without gradient is a saddle if its Hessian has a negative eigenvalue, else a local minimum. Directions that
    change nothing, such as the length of a row that is normalised or a turn of all embeddings, have eigenvalue zero.
    """
    if descent.at_zero:
        return None
    counts = signature(descent.objective, descent.parameters)
    kind = "saddle" if counts[0] else "local minimum"
    # A loss that is nearly zero at a point without gradient is on its way to zero along a flat valley.
    converged = descent.gradient <= STATIONARY and descent.loss > 1e-4
    return Stuck(kind if converged else "not converged", descent.loss, descent.gradient, counts)


def stuck_of(descents: Sequence[Descent]) -> list[Stuck]:
    """Return the stuck ones of many descents."""
    return [found for found in map(stuck, descents) if found]


def signature(objective: Objective, parameters: Tensor) -> tuple[int, int, int]:
    """Return the numbers of negative, zero and positive eigenvalues of the Hessian."""
    size = parameters.numel()
    hessian = torch.autograd.functional.hessian(objective, parameters)
    values = torch.linalg.eigvalsh(hessian.reshape(size, size))
    threshold = FLAT * max(float(values.abs().max()), 1e-3)
    negative, positive = int((values < -threshold).sum()), int((values > threshold).sum())
    return negative, size - negative - positive, positive
