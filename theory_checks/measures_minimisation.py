"""Minimisation of the equivariance loss from random starts, and how far the ends are from one orthogonal map."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from geomstats.geometry.hypersphere import Hypersphere
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parameters_to_vector

from care_bench.augmentations import RandomRotation3D
from care_bench.losses import Equivariance, equivariance, uniformity
from theory_checks.descent import Descent, minimise
from theory_checks.measures import procrustes
from theory_checks.measures_bounds import inverse_norm, is_admissible, residual_bound
from theory_checks.strategies import generator

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Ending:
    """The state of a descent, measured on a (n, d) and b (n, d), and what Prop. 3 allows there.

    Attributes:
        residual: Frobenius norm of b - a R^T for the best R in O(d).
        bound: (1 + sqrt 2) ||A^+|| eps^2, Prop. 3's bound on the residual.
        defect: Frobenius distance to O(d) of the best linear map from a to b.
        defect_bound: ||A^+|| times the bound, because that map minus Prop. 3's R is (F_a - R F) F^+.
        admissible: whether ||A^+|| eps <= 1 / sqrt 2, Prop. 3's condition.
    """

    residual: float
    bound: float
    defect: float
    defect_bound: float
    admissible: bool


def ending(a: Tensor, b: Tensor, sum_of_squares: float) -> Ending:
    """Measure the step from a to b, given the sum of the squared Gram differences (of any loss under test)."""
    gap = math.sqrt(max(sum_of_squares, 0.0))
    bound = residual_bound(a, gap)
    linear = torch.linalg.lstsq(a, b).solution
    return Ending(
        residual=procrustes(a, b)[1],
        bound=bound,
        defect=float(torch.linalg.vector_norm(torch.linalg.svdvals(linear) - 1)),
        defect_bound=inverse_norm(a) * bound,
        admissible=is_admissible(a, gap),
    )


def free_embeddings(a: Tensor, seed: int, loss: Loss, steps: int = 500) -> Descent:
    """Minimise loss(a, b) over b on the product of spheres: L-BFGS on rows that are normalised inside.

    Args:
        a: (n, d) unit rows, held fixed.
        seed: of the random start.
        loss: of the two views.
        steps: of L-BFGS.

    Returns:
        The descent; its iterates are unit rows (n, d).
    """
    start = torch.from_numpy(generator("free embeddings", seed).standard_normal(tuple(a.shape)))
    descent = minimise(lambda x: loss(a, normalize(x, dim=1)), start, steps)
    return replace(descent, iterates=[normalize(x, dim=1) for x in descent.iterates])


def riemannian_descents(a: Sequence[Tensor], seed: int, keep: Sequence[int], step_size: float = 0.5) -> list[Descent]:
    """Minimise over b on the product of spheres by gradient descent along geomstats' geodesics, all starts at once.

    Every start is a chunk of one batch, so that Equivariance(splits=starts) is the mean of their losses.

    Args:
        a: for each start (n, d) unit rows, held fixed.
        seed: of the random starts.
        keep: steps whose iterate is kept, ascending; the last one ends the descents.
        step_size: in units of the mean over the pairs of one row.
    """
    starts, (n, d) = len(a), a[0].shape
    sphere, fixed, loss = Hypersphere(d - 1), torch.cat(list(a)), Equivariance(splits=starts)
    b = generator("riemannian", seed).standard_normal((starts * n, d))
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    iterates: list[list[Tensor]] = [[] for _ in a]
    for step in range(keep[-1] + 1):
        x = torch.from_numpy(b).requires_grad_()
        gradient = sphere.to_tangent(torch.autograd.grad(loss(fixed, x), x)[0].numpy() * starts, b)
        if step in keep:
            for kept, rows in zip(iterates, np.split(b, starts), strict=True):
                kept.append(torch.from_numpy(rows.copy()))
        if step < keep[-1]:
            b = sphere.projection(sphere.metric.exp(-step_size * (n - 1) * gradient, b))
    largest = np.abs(gradient).reshape(starts, -1).max(axis=1)
    objectives = [lambda x, first=first: equivariance(first, normalize(x, dim=1), splits=1) for first in a]
    return [
        Descent(kept, objective(kept[-1]).item(), gradient, objective, kept[-1])
        for kept, gradient, objective in zip(iterates, largest.tolist(), objectives, strict=True)
    ]


def linear_map(x: Tensor, seed: int, steps: int = 500) -> Descent:
    """Minimise Equivariance(1)(x, x M^T) over M (d, d), the linear maps f(a(x)) = M f(x); iterates are maps."""
    d = x.shape[1]
    start = torch.from_numpy(generator("linear map", seed).standard_normal((d, d)))
    return minimise(lambda m: equivariance(x, x @ m.mT, splits=1), start, steps)


class PointNetwork(nn.Module):
    """A small network on point clouds: tanh features of a point, their mean, a linear layer, the unit sphere."""

    def __init__(self, width: int, dimension: int) -> None:
        super().__init__()
        self.per_point = nn.Linear(3, width, dtype=torch.float64)
        self.head = nn.Linear(width, dimension, dtype=torch.float64)

    def forward(self, clouds: Tensor) -> Tensor:
        """Map (n, points, 3) to unit rows (n, dimension)."""
        return normalize(self.head(torch.tanh(self.per_point(clouds)).mean(dim=1)), dim=1)


def network(
    seed: int, steps: Sequence[tuple[int, float]], clouds: int = 6, rotations: int = 2, dimension: int = 3
) -> tuple[list[tuple[Tensor, Tensor]], Descent]:
    """Train a network so that each of a few rotations of all clouds moves all embeddings by one orthogonal map.

    Args:
        seed: of clouds, rotations and the network's parameters.
        steps: phases of the training: how many steps of L-BFGS, and the weight of uniformity beside the loss.
        clouds: how many point clouds.
        rotations: how many elements of SO(3).
        dimension: of the embeddings.

    Returns:
        For each iterate of the last phase and each rotation (embeddings of the clouds, embeddings of the rotated
        clouds), each (clouds, dimension), the end last; and the last phase's descent (without weight of uniformity its
        loss is the mean over the rotations).
    """
    draws = torch.Generator().manual_seed(seed)
    encoder, augmentation = PointNetwork(64, dimension), RandomRotation3D()
    plain = torch.randn(clouds, 5, 3, generator=draws, dtype=torch.float64)
    turns = augmentation.sample(rotations, draws).repeat_interleave(clouds)
    inputs = torch.cat([plain, augmentation.apply(plain.repeat(rotations, 1, 1), turns)])
    parameters = list(encoder.parameters())
    names = [name for name, _ in encoder.named_parameters()]
    at = math.sqrt(3) * torch.randn(parameters_to_vector(parameters).shape, generator=draws, dtype=torch.float64)

    def views(flat: Tensor) -> tuple[Tensor, Tensor]:
        parts = flat.split([parameter.numel() for parameter in parameters])
        values = {name: part.view_as(p) for name, part, p in zip(names, parts, parameters, strict=True)}
        rows = torch.func.functional_call(encoder, values, (inputs,))
        return rows[:clouds], rows[clouds:]

    def objective(flat: Tensor, weight: float) -> Tensor:
        z, za = views(flat)
        loss = equivariance(z.repeat(rotations, 1), za, splits=rotations)
        return loss + weight * uniformity(z) if weight else loss

    for count, weight in steps:
        descent = minimise(lambda flat, weight=weight: objective(flat, weight), at, count)
        at = descent.iterates[-1]
    with torch.no_grad():
        rows = [views(flat) for flat in descent.iterates]
    return [(z, turned) for z, za in rows for turned in za.chunk(rotations)], descent
