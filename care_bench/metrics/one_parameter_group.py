"""One-parameter groups: does one rotation move every embedding from step to step while its input turns?

Where f(a(x)) = R_a f(x), equal turns about one axis act on embeddings as the powers of one rotation, the same for all
inputs. Two numbers of protocol trajectories-v1, which are ours, say how far that is so.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from care_bench.metrics.held_out import orthogonal_maps
from care_bench.metrics.trajectories import LEAST_MOVEMENT, checked, size

CLOUDS = 24
"""Number of clouds whose curves are embedded: one half is fitted, the other half is held out."""


@dataclass(frozen=True)
class OneParameterGroup:
    """How well the powers of one map describe curves that it was not fitted to, float64.

    Attributes:
        residual: (G,), root mean square of |z' - R z| over that of |z' - z|, z' being the step after z: 0 for a
            one-parameter group that all samples share, 1 for a map that explains nothing of the steps.
        closure: (G, m), distance of the start of each held-out curve to where the map takes it in a whole turn, over
            the largest distance on the way: 0 if the turn ends where it began, 1 if it ends as far off as it ever was.
    """

    residual: Tensor
    closure: Tensor


@torch.no_grad()
def one_parameter_group(trajectories: Tensor, fitted: Tensor) -> OneParameterGroup:
    """Fit one orthogonal map per axis to all steps of some curves, and measure it on the others.

    A map of each curve alone would be no test: with as many directions as turns it fits every smooth curve.

    Args:
        trajectories: (n, G, T, d), closed curves of n samples about G axes in T equal turns; the last step leads back
            to the start.
        fitted: (n,) bool, the samples to fit to; the others are measured.

    Raises:
        ValueError: another shape, a value that is not finite, held-out curves that do not move, or no sample on one
            side.
    """
    if trajectories.ndim != 4:
        raise ValueError(f"trajectories have shape {tuple(trajectories.shape)}; expected (n, G, T, d)")
    curves = checked(trajectories)
    turns = curves.shape[2]
    residuals, closures = [], []
    for points in curves.unbind(dim=1):
        after = points.roll(-1, dims=1)
        (step,) = orthogonal_maps(
            points.flatten(0, 1), after.flatten(0, 1), fitted.to(points.device).repeat_interleave(turns)
        )
        rest = ~fitted.to(points.device)
        own, following = points[rest].flatten(0, 1), after[rest].flatten(0, 1)
        centred = points[rest] - points[rest].mean(dim=-2, keepdim=True)
        if size(centred.flatten(0, 1)) <= LEAST_MOVEMENT * size(own):
            raise ValueError("the trajectories do not move (an invariant encoder); no rotation acts on them")
        residuals.append(torch.linalg.matrix_norm(following - step(own)) / torch.linalg.matrix_norm(following - own))
        start = moved = points[rest, 0]
        distances = []
        for _ in range(turns):
            moved = step(moved)
            distances.append(torch.linalg.vector_norm(moved - start, dim=-1))
        largest = torch.stack(distances).amax(dim=0)
        # A map that leaves the start where it is never comes back to it.
        closures.append(torch.where(largest > 0, distances[-1] / largest, 1.0))
    return OneParameterGroup(torch.stack(residuals), torch.stack(closures))
