"""How well the first principal component of a point cloud can be regressed from its embedding.

Protocol first-pc-v1. The paper prints no regression protocol (its Fig. 4), so this one is ours. The sign of a principal
component v is arbitrary, so the target is the projector v v^T, which does not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from care_bench.metrics.checks import embedded

ALPHAS = tuple(10.0**power for power in range(-6, 7))
"""Candidate ridge penalties, on standardised embeddings."""
CLOUDS_AT_ONCE = 2**14
"""Clouds whose coordinates are held in float64 at a time."""
LEAST_GAP = 1e-6
"""Least gap of the two largest variances, relative to the largest; below it there is no first component."""


@dataclass(frozen=True)
class PrincipalComponent:
    """Test error of the regression.

    Attributes:
        r2: 1 - sum ||P - P_hat||^2 / sum ||P - mean P||^2 over the test set, Frobenius norms; 1 is perfect, 0 is
            the constant guess.
        angle: mean angle in degrees between v and the leading eigenvector of P_hat, in [0, 90].
        alpha: the ridge penalty chosen on the train set.
    """

    r2: float
    angle: float
    alpha: float


def principal_component(z: Tensor, clouds: Tensor, test_z: Tensor, test_clouds: Tensor) -> PrincipalComponent:
    """Fit a regression of the first component's projector on the train embeddings and test it on the test embeddings.

    Ridge regression on standardised embeddings; the penalty is chosen by generalised (leave-one-out) cross-validation
    on the train set. Off-diagonal entries are weighted by sqrt(2), so that the norm of the six targets is the
    Frobenius norm of the projector.

    Args:
        z: (n, d) train embeddings.
        clouds: (n, P, 3) the point clouds that were embedded, as the encoder saw them (rotated if they were rotated).
        test_z: (m, d) test embeddings.
        test_clouds: (m, P', 3).

    Raises:
        ValueError: shapes do not match, a value is not finite, a cloud has no first component, or all test clouds
            share one (R^2 is then undefined).
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    z, test_z = embedded(z, "z", at_least=2), embedded(test_z, "test_z", at_least=2)
    if z.shape[1] != test_z.shape[1]:
        raise ValueError(f"z has {z.shape[1]} columns and test_z {test_z.shape[1]}; expected as many")
    for embeddings, points, name in ((z, clouds, "clouds"), (test_z, test_clouds, "test_clouds")):
        if len(embeddings) != len(points):
            raise ValueError(f"{name} has shape {tuple(points.shape)}; expected {len(embeddings)} clouds, one a row")
    target = _entries(first_component_projectors(clouds))
    expected = first_component_projectors(test_clouds)

    model = make_pipeline(StandardScaler(), RidgeCV(alphas=ALPHAS))
    model.fit(_array(z), _array(target))
    predicted = _projectors(torch.from_numpy(model.predict(_array(test_z))))

    spread = (expected - expected.mean(dim=0)).square().sum().item()
    if spread < 1e-12 * len(expected):
        raise ValueError(f"all {len(expected)} test clouds share one first component; expected them to differ")
    residual = (expected - predicted).square().sum().item()
    angle = _angles(_leading(expected), _leading(predicted)).mean().item()
    return PrincipalComponent(r2=1 - residual / spread, angle=angle, alpha=float(model[-1].alpha_))


@torch.no_grad()
def first_component_projectors(clouds: Tensor) -> Tensor:
    """Return v v^T for the first principal component v of every cloud, (n, 3, 3) float64 on the CPU.

    Args:
        clouds: (n, P, 3), P >= 2.

    Raises:
        ValueError: another shape, a value that is not finite, or a cloud whose two largest variances are equal.
    """
    if clouds.ndim != 3 or clouds.shape[1] < 2 or clouds.shape[2] != 3:
        raise ValueError(f"clouds have shape {tuple(clouds.shape)}; expected (n, P, 3) with P >= 2")
    embedded(clouds.flatten(1), "clouds")
    scatter = torch.cat([_scatter(block) for block in torch.split(clouds, CLOUDS_AT_ONCE)])
    # On the CPU: NVIDIA's batched solver fails on more than about 32 thousand matrices.
    variances, vectors = torch.linalg.eigh(scatter.cpu())
    without = variances[:, 2] - variances[:, 1] <= LEAST_GAP * variances[:, 2]
    if without.any():
        first = int(without.nonzero()[0])
        raise ValueError(f"cloud {first} has no first principal component; its two largest variances are equal")
    leading: Tensor = vectors[:, :, 2]
    return leading[:, :, None] * leading[:, None, :]


def _scatter(clouds: Tensor) -> Tensor:
    """Return the sum over the points of x x^T for every cloud around its mean, (n, 3, 3) float64."""
    points = clouds.double()
    centred = points - points.mean(dim=1, keepdim=True)
    return centred.mT @ centred


def _entries(projectors: Tensor) -> Tensor:
    """Return the six different entries (n, 6), scaled so that their norm is the Frobenius norm."""
    row, column = torch.triu_indices(3, 3)
    return projectors[:, row, column] * torch.where(row == column, 1.0, 2**0.5).to(projectors)


def _projectors(entries: Tensor) -> Tensor:
    """Return the symmetric matrices (n, 3, 3) of the entries: the inverse of :func:`_entries`."""
    row, column = torch.triu_indices(3, 3)
    matrices = entries.new_zeros(len(entries), 3, 3)
    matrices[:, row, column] = matrices[:, column, row] = entries / torch.where(row == column, 1.0, 2**0.5).to(entries)
    return matrices


def _leading(matrices: Tensor) -> Tensor:
    leading: Tensor = torch.linalg.eigh(matrices).eigenvectors[:, :, 2]
    return leading


def _angles(v: Tensor, w: Tensor) -> Tensor:
    """Return the angles in degrees between the lines along v and w; accurate near 0, unlike an arccosine."""
    sine = torch.linalg.vector_norm(torch.linalg.cross(v, w), dim=1)
    return torch.rad2deg(torch.atan2(sine, (v * w).sum(dim=1).abs()))


def _array(x: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return x.detach().double().cpu().numpy()
