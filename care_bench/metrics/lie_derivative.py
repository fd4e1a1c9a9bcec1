"""Infinitesimal equivariance: how fast embeddings change under a smooth transformation, and whether as by a rotation.

The invariance form is the local equivariance error of Gruver et al. 2023 (arXiv 2210.02984) for an output on which the
transformation does not act. In the equivariance form it acts by the rotations exp(t A), where A is the best
skew-symmetric matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from care_bench.metrics.checks import embedded

LEAST_SPEED = 1e-6
"""Least root mean square speed, relative to the embeddings' norm, whose direction is more than rounding."""


@dataclass(frozen=True)
class LieDerivative:
    """How fast embeddings move, for one generator.

    Attributes:
        speed: root mean square of |d/dt f(g_t x)| at t = 0 over the samples; 0 for an invariant encoder.
        unexplained: the same of d/dt f(g_t x) - A f(x) on held-out samples, as a fraction of their speed, for the A of
            the fitted ones: 0 where the transformation rotates embeddings, 1 where A explains nothing. nan where the
            held-out samples do not move.
    """

    speed: float
    unexplained: float


@torch.no_grad()
def on_sphere(z: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor]:
    """Return embeddings scaled to unit length, and their velocity on the sphere, (n, d) in float64.

    Raises:
        ValueError: an embedding is zero, which has no direction.
    """
    z, velocity = embedded(z, "z").double(), embedded(velocity, "velocity").double()
    norms = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    if not norms.all():
        raise ValueError("z holds a zero embedding; zero has no direction")
    z, velocity = z / norms, velocity / norms
    return z, velocity - (velocity * z).sum(dim=1, keepdim=True) * z


@torch.no_grad()
def lie_derivative(z: Tensor, velocity: Tensor, fitted: Tensor) -> LieDerivative:
    """Measure how fast embeddings move, and how much of the movement no rotation explains.

    Args:
        z: (n, d) embeddings f(x).
        velocity: (n, d), d/dt f(g_t x) at t = 0 of the same samples.
        fitted: (n,) bool, the samples to which A is fitted; the others are measured.

    Raises:
        ValueError: shapes do not match, a value is not finite, or no sample is fitted or held out.
    """
    z, velocity = embedded(z, "z").double(), embedded(velocity, "velocity").double()
    if velocity.shape != z.shape or fitted.shape != z.shape[:1] or fitted.all() or not fitted.any():
        shapes = f"z has shape {tuple(z.shape)}, velocity {tuple(velocity.shape)}, fitted {int(fitted.sum())} samples"
        raise ValueError(f"{shapes}; expected one velocity a row, and samples in both parts")
    generator = rotation_generator(z[fitted], velocity[fitted])
    other, moving = z[~fitted], velocity[~fitted]
    still = bool(_rms(moving) <= LEAST_SPEED * _rms(other))
    unexplained = float("nan") if still else float(_rms(moving - other @ generator.mT) / _rms(moving))
    return LieDerivative(float(_rms(velocity)), unexplained)


def rotation_generator(z: Tensor, velocity: Tensor) -> Tensor:
    """Return the skew-symmetric A (d, d) that minimises the sum of |velocity_i - A z_i|^2, in float64.

    Setting the gradient over skew-symmetric matrices to zero gives A C + C A = B - B^T with C = sum z_i z_i^T and
    B = sum velocity_i z_i^T. In the eigenvectors of C, with eigenvalues c, it is A_jk = (B - B^T)_jk / (c_j + c_k);
    planes in which no sample lies are not turned.

    Args:
        z: (n, d).
        velocity: (n, d).
    """
    z, velocity = z.double(), velocity.double()
    values, vectors = torch.linalg.eigh(z.mT @ z)
    values = values.clamp(min=0)
    product = vectors.mT @ velocity.mT @ z @ vectors
    sums = values[:, None] + values[None, :]
    zero = len(values) * torch.finfo(torch.float64).eps * values[-1]
    inner = torch.where(sums > zero, (product - product.mT) / sums, 0.0)
    generator: Tensor = vectors @ inner @ vectors.mT
    return generator


def _rms(rows: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.matrix_norm(rows) / len(rows) ** 0.5
    return norm
