"""Measures of the metrics, of Wahba's solution and of the limits of the contrastive losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import geomstats.geometry.special_orthogonal as geomstats_so
import numpy as np
import torch
from scipy.special import hyp0f1
from torch import Tensor
from torch.nn import functional

from care_bench.losses import InfoNCE, info_nce_terms, uniformity
from care_bench.metrics import relative_equivariance
from theory_checks.descent import minimise


def moved(z: Tensor, seed: int, size: float) -> Tensor:
    """Return unit rows about ``size`` away from those of z, each in a direction of its own."""
    noise = np.random.default_rng(seed).standard_normal(z.shape)
    return functional.normalize(z + size * torch.from_numpy(noise), dim=1)


def pair_movement(z: Tensor, za: Tensor) -> float:
    """Return ||f(a(x')) - f(x')||^2 + ||f(a(x)) - f(x)||^2 of the two samples that moved least."""
    return float((za - z).square().sum(dim=1).sort().values[:2].sum())


def root_numerator(z: Tensor, za: Tensor) -> float:
    """Return | ||f(a(x')) - f(a(x))||^2 - ||f(x') - f(x)||^2 | of one pair, (2, d) each, computed from its gamma_f."""
    return math.sqrt(relative_equivariance(z, za)) * pair_movement(z, za)


def relative_difference(value: float, reference: float) -> float:
    """Return |value - reference| over the larger of 1 and the reference."""
    return abs(value - reference) / max(1.0, abs(reference))


def misfit(z: Tensor, za: Tensor, rotation: Tensor) -> float:
    """Return the mean squared distance between za and z @ rotation.T."""
    return float((za - z @ rotation.mT).square().sum(dim=1).mean())


def descend_rotations(z: Tensor, za: Tensor, starts: int, steps: int, seed: int) -> np.ndarray:
    """Return the misfits (starts,) at the ends of Riemannian gradient descents on geomstats' SO(d), ascending.

    Minimises -<R, za^T z> from ``starts`` random rotations, all at once; the step size is one over its curvature.
    """
    d = z.shape[1]
    group = geomstats_so.SpecialOrthogonal(d)
    covariance = (za.mT @ z).numpy()
    step = 1.0 / np.linalg.norm(covariance, 2)
    gaussian = np.random.default_rng(seed).standard_normal((starts, d, d))
    rotations = np.linalg.qr(gaussian)[0]
    rotations[:, 0] *= np.linalg.det(rotations)[:, None]
    for _ in range(steps):
        descent = group.to_tangent(np.broadcast_to(covariance, rotations.shape), rotations)
        rotations = group.metric.exp(step * descent, rotations)
    if not np.all(group.belongs(rotations, atol=1e-6)):
        raise ArithmeticError(f"descent left SO({d})")
    return np.sort([misfit(z, za, torch.from_numpy(rotation)) for rotation in rotations])


@dataclass(frozen=True)
class Minimum:
    """The end of a minimisation of uniformity over n points of the unit sphere: (n, d) rows and the value there."""

    points: Tensor
    value: float


def minimise_uniformity(n: int, d: int, seed: int, objective: Callable[[Tensor], Tensor] = uniformity) -> Minimum:
    """Minimise ``objective`` over n points on the unit sphere of R^d from a random start."""
    start = torch.from_numpy(np.random.default_rng(seed).standard_normal((n, d)))
    descent = minimise(lambda free: objective(functional.normalize(free, dim=1)), start, steps=2000)
    points = functional.normalize(descent.iterates[-1], dim=1)
    return Minimum(points, float(uniformity(points)))


def regular_polygon(n: int) -> Tensor:
    """Return n equally spaced points of the circle, (n, 2)."""
    angles = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def regular_simplex(n: int, d: int) -> Tensor:
    """Return the n <= d + 1 corners of a regular simplex about the origin as unit rows, (n, d)."""
    centred = torch.eye(n, dtype=torch.float64) - 1.0 / n
    corners = torch.linalg.svd(centred)[0][:, : n - 1]  # coordinates in the hyperplane orthogonal to (1, ..., 1)
    return functional.normalize(functional.pad(corners, (0, d - n + 1)), dim=1)


def largest_gap_error(points: Tensor) -> float:
    """Return how far, at most, a gap between neighbours on the circle is from 2 pi / n, in radians."""
    angles = torch.atan2(points[:, 1], points[:, 0]).sort().values
    gaps = torch.cat([angles.diff(), (angles[:1] - angles[-1:]) + 2 * math.pi])
    return float((gaps - 2 * math.pi / len(points)).abs().max())


def simplex_error(points: Tensor) -> float:
    """Return how far, at most, an inner product of two different rows is from -1 / (n - 1)."""
    n = len(points)
    products = (points @ points.mT)[~torch.eye(n, dtype=torch.bool)]
    return float((products + 1.0 / (n - 1)).abs().max())


def info_nce_excess(z1: Tensor, z2: Tensor) -> float:
    """Return InfoNCE - (invariance term + uniformity + log of the number of terms), at temperature 1.

    Uniformity is taken over the 2B views of the loss, so the two differ only in whether the logarithm is inside or
    outside the mean over the anchors.
    """
    invariance, _ = info_nce_terms(z1, z2, 1.0)
    split = invariance + uniformity(torch.cat([z1, z2])) + math.log(2 * len(z1) - 1)
    return float(InfoNCE(1.0)(z1, z2) - split)


def uniform_log_partition(d: int, temperature: float) -> float:
    """Return log E exp(x.x' / temperature) for x' uniform on the unit sphere of R^d and any unit x."""
    return math.log(hyp0f1(d / 2, 1 / (4 * temperature**2)))


def uniform_gap(batch: int, d: int, temperature: float, angle: float, seed: int) -> float:
    """Return InfoNCE - log(2B - 1) minus its limit, for views uniform on the sphere and ``angle`` apart."""
    rng = np.random.default_rng(seed)
    first = functional.normalize(torch.from_numpy(rng.standard_normal((batch, d))), dim=1)
    across = torch.from_numpy(rng.standard_normal((batch, d)))
    across = functional.normalize(across - (across * first).sum(dim=1, keepdim=True) * first, dim=1)
    second = math.cos(angle) * first + math.sin(angle) * across
    limit = -math.cos(angle) / temperature + uniform_log_partition(d, temperature)
    return float(InfoNCE(temperature)(first, second)) - math.log(2 * batch - 1) - limit


@dataclass(frozen=True)
class Population:
    """Finitely many inputs of unequal probability, each with a few equally likely views: expectations are sums.

    Attributes:
        views: (k, v, d) unit vectors, the v views of each of the k inputs.
        probabilities: (k,) of the inputs.
    """

    views: Tensor
    probabilities: Tensor

    @classmethod
    def draw(cls, inputs: int, views: int, d: int, seed: int) -> Population:
        """Return inputs crowded in one half of the sphere, so that some views have more neighbours than others."""
        rng = np.random.default_rng(seed)
        centres = rng.standard_normal((inputs, 1, d)) + 1.5 * np.eye(d)[0]
        points = torch.from_numpy(centres + 0.5 * rng.standard_normal((inputs, views, d)))
        return cls(functional.normalize(points, dim=2), torch.from_numpy(rng.dirichlet(np.ones(inputs))))

    def sample(self, batch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return two independent views, (batch, d) each, of independently drawn inputs."""
        rng = np.random.default_rng(seed)
        inputs = rng.choice(len(self.probabilities), batch, p=self.probabilities.numpy())
        first, second = rng.integers(self.views.shape[1], size=(2, batch))
        return self.views[inputs, first], self.views[inputs, second]

    def invariance_limit(self, temperature: float) -> float:
        """Return -E f(a(x)).f(a'(x)) / temperature, a and a' independent."""
        means = self.views.mean(dim=1)
        return -float(self.probabilities @ means.square().sum(dim=1)) / temperature

    def log_inside(self, temperature: float) -> float:
        """Return E_x log E_x' exp(f(x).f(x') / temperature): the logarithm inside the expectation over anchors."""
        weights, expected = self._expected_exponential(temperature)
        return float(weights @ expected.log())

    def log_outside(self, temperature: float) -> float:
        """Return log E_x E_x' exp(f(x).f(x') / temperature): the paper's uniformity."""
        weights, expected = self._expected_exponential(temperature)
        return float((weights @ expected).log())

    def _expected_exponential(self, temperature: float) -> tuple[Tensor, Tensor]:
        count = self.views.shape[1]
        weights = self.probabilities.repeat_interleave(count) / count
        points = self.views.flatten(end_dim=1)
        return weights, (points @ points.mT / temperature).exp() @ weights
