"""Random rotations of point clouds: membership in SO(3), Haar measure, and their effect on points."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.transform import Rotation

from care_bench.augmentations import RandomRotation3D, RotationParameters

N = 10_000
LEVEL = 1e-3


@pytest.fixture(scope="module")
def matrices() -> NDArray[np.float64]:
    return RandomRotation3D().sample(N, torch.Generator().manual_seed(1)).matrix.double().numpy()


def angles(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    cosine: NDArray[np.float64] = np.clip((np.trace(matrices, axis1=1, axis2=2) - 1) / 2, -1, 1)
    return np.arccos(cosine)


def test_matrices_are_rotations(matrices: NDArray[np.float64]) -> None:
    gram = matrices @ matrices.transpose(0, 2, 1)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(3), gram.shape), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0, atol=1e-6)


def test_angle_has_the_density_of_haar_measure(matrices: NDArray[np.float64]) -> None:
    found = angles(matrices)
    assert stats.kstest(found, lambda t: (t - np.sin(t)) / np.pi).pvalue > LEVEL  # density (1 - cos t) / pi
    peer = Rotation.random(N, rng=np.random.default_rng(0))
    assert stats.ks_2samp(found, peer.magnitude()).pvalue > LEVEL


def test_every_axis_is_carried_uniformly_over_the_sphere(matrices: NDArray[np.float64]) -> None:
    for row in range(3):
        for column in range(3):
            entries = matrices[:, row, column]  # a coordinate of a uniform point of the sphere is uniform (Archimedes)
            assert stats.kstest(entries, stats.uniform(-1, 2).cdf).pvalue > LEVEL, (row, column)


def test_measure_is_invariant_under_a_fixed_rotation(matrices: NDArray[np.float64]) -> None:
    fixed = Rotation.from_rotvec([0.3, -1.1, 2.0]).as_matrix()
    for moved in (fixed @ matrices, matrices @ fixed):
        assert stats.kstest(angles(moved), lambda t: (t - np.sin(t)) / np.pi).pvalue > LEVEL


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_apply_rotates_as_scipy_does(dtype: torch.dtype) -> None:
    rotation = RandomRotation3D()
    points = torch.randn(20, 50, 3, dtype=dtype, generator=torch.Generator().manual_seed(2))
    before = points.clone()
    parameters = rotation.sample(20, torch.Generator().manual_seed(3))
    found = rotation.apply(points, parameters)
    assert found.dtype == dtype
    assert torch.equal(points, before)
    for i in range(20):
        expected = Rotation.from_matrix(parameters.matrix[i].double().numpy()).apply(points[i].double().numpy())
        np.testing.assert_allclose(found[i].numpy(), expected, atol=2e-6)


def test_quarter_turn_about_the_z_axis_by_hand() -> None:
    quarter = RotationParameters(torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]))
    points = torch.tensor([[[1.0, 0.0, 5.0], [0.0, 1.0, 0.0]]])
    assert RandomRotation3D().apply(points, quarter).tolist() == [[[0.0, 1.0, 5.0], [-1.0, 0.0, 0.0]]]


@pytest.mark.parametrize("points_per_cloud", [1, 5, 64])
def test_a_cloud_has_the_same_bits_in_any_batch(points_per_cloud: int) -> None:
    rotation = RandomRotation3D()
    points = torch.randn(40, points_per_cloud, 3, generator=torch.Generator().manual_seed(4))
    parameters = rotation.sample(40, torch.Generator().manual_seed(5))
    whole = rotation.apply(points, parameters)
    assert torch.equal(rotation.apply(points, parameters), whole)
    for start, stop in [(0, 1), (39, 40), (3, 20)]:
        assert torch.equal(rotation.apply(points[start:stop], parameters[start:stop]), whole[start:stop])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(rotation.apply(points, parameters), whole)


def test_identity_keeps_the_cloud_and_the_generator_decides_the_draw() -> None:
    rotation = RandomRotation3D()
    points = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(6))
    assert torch.equal(rotation.identity(points), points)
    first = rotation.sample(4, torch.Generator().manual_seed(7)).matrix
    assert torch.equal(rotation.sample(4, torch.Generator().manual_seed(7)).matrix, first)
    assert not torch.equal(rotation.sample(4, torch.Generator().manual_seed(8)).matrix, first)


def test_bad_input_is_refused() -> None:
    rotation = RandomRotation3D()
    parameters = rotation.sample(2, torch.Generator())
    for points in (torch.zeros(2, 5, 2), torch.zeros(2, 3), torch.zeros(2, 5, 3, dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"points has shape \(2, .*, expected shape \(n, P, 3\)"):
            rotation.apply(points, parameters)
    with pytest.raises(ValueError, match="points has 3 samples and parameters has 2 rows"):
        rotation.apply(torch.zeros(3, 5, 3), parameters)
    with pytest.raises(ValueError, match="n is -1, expected at least 1"):
        rotation.sample(-1, torch.Generator())
    elsewhere: Any = SimpleNamespace(device=torch.device("cuda"))
    with pytest.raises(ValueError, match="generator is on cuda"):
        rotation.sample(2, elsewhere)
