"""Trajectories: the closed curve of a point cloud's embedding while the cloud turns once about an axis.

Fig. 3 and 17 to 20 of CARE (arXiv 2306.13924) draw such curves and print no number. The two numbers of protocol
trajectories-v1 are ours. Where f(a(x)) = R_a f(x), the rotations about one axis act on embeddings as a one-parameter
group of rotations: the embedding moves at constant speed, on a circle in each plane that the group turns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

CLOUDS = 3
STEPS = 100
"""Number of clouds, and of rotations about each axis, as in Fig. 3."""
LEAST_MOVEMENT = 1e-5
"""Least root mean square distance from the mean, relative to the embeddings' norm. A smaller curve is rounding of
float32: the encoder is invariant."""


@dataclass(frozen=True)
class Regularity:
    """How regular each closed curve is; both fields carry the leading dimensions of the curves.

    Attributes:
        planarity: (...), share in % of the embeddings' variance in their first two principal components: 100 for a
            circle, less where the group turns several planes.
        step_variation: (...), standard deviation of the lengths of the steps around the loop over their mean: 0 at
            constant speed.
    """

    planarity: Tensor
    step_variation: Tensor


def axis_rotations(steps: int = STEPS) -> Tensor:
    """Return the rotations by 0, 1/steps, 2/steps, ... of a turn about the x, y and z axis, (3, steps, 3, 3) float32.

    A point p (column) goes to ``matrix @ p``, counter-clockwise for an observer whom the axis points at.
    """
    angle = 2 * math.pi * torch.arange(steps, dtype=torch.float64) / steps
    turns = torch.zeros(3, steps, 3, 3, dtype=torch.float64)
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turns[axis, :, axis, axis] = 1
        turns[axis, :, first, first] = turns[axis, :, second, second] = angle.cos()
        turns[axis, :, second, first] = angle.sin()
        turns[axis, :, first, second] = -angle.sin()
    return turns.float()


@torch.no_grad()
def regularity(trajectories: Tensor) -> Regularity:
    """Measure closed curves of embeddings, in float64.

    The standard deviation of the steps has ddof 0, because the steps are the whole loop: the last one leads back to
    the start.

    Args:
        trajectories: (..., T, d), each curve the embeddings of one sample under T rotations, T >= 3.

    Raises:
        ValueError: another shape, a value that is not finite, or a curve that does not move.
    """
    points = checked(trajectories)
    centred = points - points.mean(dim=-2, keepdim=True)
    still = int((size(centred) <= LEAST_MOVEMENT * size(points)).sum())
    if still:
        of = points[..., 0, 0].numel()
        raise ValueError(f"{still} of {of} trajectories do not move (an invariant encoder); they have no shape")
    variances = torch.linalg.svdvals(centred).square()
    lengths = torch.linalg.vector_norm(points.roll(-1, dims=-2) - points, dim=-1)
    return Regularity(
        planarity=100 * variances[..., :2].sum(dim=-1) / variances.sum(dim=-1),
        step_variation=lengths.std(dim=-1, correction=0) / lengths.mean(dim=-1),
    )


def checked(trajectories: Tensor) -> Tensor:
    """Return curves in float64; :func:`regularity` says what they are and, but for movement, what is raised."""
    if trajectories.ndim < 2 or trajectories.shape[-2] < 3 or trajectories.numel() == 0:
        raise ValueError(f"trajectories have shape {tuple(trajectories.shape)}; expected (..., T, d) with T >= 3")
    points = trajectories.double()
    wrong = points.numel() - int(points.isfinite().sum())
    if wrong:
        raise ValueError(f"trajectories hold {wrong} of {points.numel()} values that are not finite; expected none")
    return points


def size(points: Tensor) -> Tensor:
    """Return the root mean square norm of the points of each curve."""
    return points.square().sum(dim=-1).mean(dim=-1).sqrt()
