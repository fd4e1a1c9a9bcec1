"""Infinitesimal equivariance: how fast embeddings change under a smooth transformation, and whether as by a rotation.

The invariance form is the local equivariance error of Gruver et al. 2023 (arXiv 2210.02984) for an output on which the
transformation does not act. In the equivariance form it acts by the rotations exp(t A), where A is the best
skew-symmetric matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from care_bench.metrics.checks import embedded, embedded_views

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
def lie_derivative(z: Tensor, velocities: Tensor, fitted: Tensor) -> list[LieDerivative]:
    """Measure how fast embeddings move, and how much of the movement no rotation explains, for each generator.

    Args:
        z: (n, d) embeddings f(x).
        velocities: (G, n, d), or (n, d) for one generator: d/dt f(g_t x) at t = 0 of the same samples.
        fitted: (n,) bool, the samples to which A is fitted; the others are measured.

    Raises:
        ValueError: shapes do not match, a value is not finite, or no sample is fitted or held out.
    """
    if velocities.shape[-2:] != z.shape or fitted.shape != z.shape[:1] or fitted.all() or not fitted.any():
        shapes = (
            f"z has shape {tuple(z.shape)}, velocities {tuple(velocities.shape)}, fitted {int(fitted.sum())} samples"
        )
        raise ValueError(f"{shapes}; expected one velocity a row, and samples in both parts")
    z, velocities = embedded_views(z, velocities)
    z = z.double()
    rows, others = (part.nonzero()[:, 0] for part in (fitted, ~fitted))
    fit, other = RotationGenerators(z[rows]), z[others]
    found = []
    for velocity in velocities.double():
        moving = velocity[others]
        rest = moving - fit(velocity[rows], other)
        found.append(torch.stack([_rms(velocity), _rms(moving), _rms(rest)]))
    least = LEAST_SPEED * _rms(other)
    numbers = torch.cat([torch.stack(found), least.expand(len(found), 1)], dim=1).tolist()
    return [
        LieDerivative(speed, float("nan") if held_out <= slowest else unexplained / held_out)
        for speed, held_out, unexplained, slowest in numbers
    ]


class RotationGenerators:
    """The skew-symmetric A (d, d) that minimise the sum of |velocity_i - A z_i|^2, in float64: z is decomposed once.

    Setting the gradient over skew-symmetric matrices to zero gives A C + C A = B - B^T with C = sum z_i z_i^T and
    B = sum velocity_i z_i^T. In the eigenvectors of C, with eigenvalues c, it is A_jk = (B - B^T)_jk / (c_j + c_k);
    planes in which no sample lies are not turned. Let the columns of V span the samples: then A maps V to itself and
    to its complement, by K = V^T B V and P = (1 - V V^T) B V diag(1 / c), and A = V K' V^T + P V^T - V P^T, so that no
    d x d matrix is needed.

    Args:
        z: (n, d) the samples.
    """

    def __init__(self, z: Tensor) -> None:
        _, singular, vh = torch.linalg.svd(z.double(), full_matrices=False)
        self.z = z.double()
        values = singular.square()
        self.values = torch.where(values > max(z.shape) * torch.finfo(torch.float64).eps * values[0], values, 0.0)
        self.vectors = vh.mT

    def __call__(self, velocity: Tensor, others: Tensor) -> Tensor:
        """Return A applied to other rows (m, d), for the velocities (n, d) of the samples."""
        image = velocity.double().mT @ (self.z @ self.vectors)
        inner = self.vectors.mT @ image
        sums = self.values[:, None] + self.values[None, :]
        turned = torch.where(sums > 0, (inner - inner.mT) / sums, 0.0)
        outer = torch.where(self.values > 0, (image - self.vectors @ inner) / self.values, 0.0)
        coordinates = others @ self.vectors
        moved: Tensor = coordinates @ (self.vectors @ turned + outer).mT - others @ outer @ self.vectors.mT
        return moved


def _rms(rows: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.matrix_norm(rows) / len(rows) ** 0.5
    return norm
