from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from sklearn.decomposition import PCA

from care_bench.metrics import axis_rotations, regularity

TURN = torch.arange(100, dtype=torch.float64) * 2 * math.pi / 100


def circles(*radii):
    """Return a curve (100, 2 k): in the k-th plane a circle of the given radius, passed k times."""
    planes = [
        radius * torch.stack([(frequency * TURN).cos(), (frequency * TURN).sin()], dim=1)
        for frequency, radius in enumerate(radii, start=1)
    ]
    return torch.cat(planes, dim=1)


@pytest.mark.parametrize("axis", range(3))
def test_rotations_are_scipys(axis):
    degrees = np.arange(100)[:, None] * 3.6
    expected = Rotation.from_rotvec(degrees * np.eye(3)[axis], degrees=True).as_matrix()
    found = axis_rotations()
    assert (found.shape, found.dtype) == ((3, 100, 3, 3), torch.float32)
    assert found[axis].numpy() == pytest.approx(expected, abs=1e-6)
    assert found[axis, 0].tolist() == torch.eye(3).tolist()


def test_agrees_with_principal_components_and_differences():
    points = np.random.default_rng(0).standard_normal((3, 2, 20, 6))
    result = regularity(torch.from_numpy(points))
    assert result.planarity.shape == result.step_variation.shape == (3, 2)
    for i in np.ndindex(3, 2):
        share = PCA().fit(points[i]).explained_variance_ratio_[:2].sum()
        closed = np.concatenate([points[i], points[i][:1]])
        lengths = np.linalg.norm(np.diff(closed, axis=0), axis=1)
        assert result.planarity[i].item() == pytest.approx(100 * share, rel=1e-10)
        assert result.step_variation[i].item() == pytest.approx(lengths.std() / lengths.mean(), rel=1e-10)


def test_a_circle_is_planar_and_even():
    turned = circles(2.0) @ torch.from_numpy(np.linalg.qr(np.random.default_rng(0).standard_normal((7, 7)))[0][:2])
    result = regularity(turned + 5)
    assert result.planarity.item() == pytest.approx(100, abs=1e-10)
    assert result.step_variation.item() == pytest.approx(0, abs=1e-10)


def test_a_one_parameter_group_in_several_planes_is_even_and_not_planar():
    # The variances in the three planes are 1, 1/4 and 1/9, so the first has 36/49 of it. Each speed is constant.
    result = regularity(circles(1.0, 1 / 2, 1 / 3))
    assert result.planarity.item() == pytest.approx(100 * 36 / 49, abs=1e-10)
    assert result.step_variation.item() == pytest.approx(0, abs=1e-10)


def test_a_planar_curve_at_an_uneven_speed():
    # The corners of the 3-4-5 triangle: steps of 3, 4 and 5 have mean 4 and standard deviation sqrt(2/3).
    result = regularity(torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]))
    assert result.planarity.item() == pytest.approx(100)
    assert result.step_variation.item() == pytest.approx(math.sqrt(2 / 3) / 4)


def test_the_last_step_closes_the_loop():
    # Without the last step all steps would have length 1.
    line = torch.arange(4.0)[:, None]
    assert regularity(line).step_variation.item() == pytest.approx(math.sqrt(3 * 0.25 + 2.25) / 2 / 1.5)
    assert regularity(line).planarity.item() == pytest.approx(100)


def test_invariant_to_scale_and_shift():
    points = torch.from_numpy(np.random.default_rng(1).standard_normal((50, 4)))
    one, other = regularity(points), regularity(1e-3 * points + 0.1)
    assert other.planarity.item() == pytest.approx(one.planarity.item(), rel=1e-9)
    assert other.step_variation.item() == pytest.approx(one.step_variation.item(), rel=1e-9)


@pytest.mark.parametrize("noise", [0, 1e-7])
def test_an_invariant_encoder_has_no_trajectory(noise):
    moving, still = circles(1.0, 0.5), torch.ones(100, 4) + noise * circles(1.0, 1.0)
    with pytest.raises(ValueError, match="2 of 3 trajectories do not move"):
        regularity(torch.stack([still, moving, 1e3 * still]))
    assert regularity(torch.ones(100, 4) + 1e-3 * circles(1.0, 1.0)).planarity.item() == pytest.approx(50, abs=0.1)


def test_refuses():
    with pytest.raises(ValueError, match=r"trajectories have shape \(2, 5\); expected \(\.\.\., T, d\) with T >= 3"):
        regularity(torch.ones(2, 5))
    broken = circles(1.0)
    broken[3, 1] = math.nan
    with pytest.raises(ValueError, match="trajectories hold 1 of 200 values that are not finite"):
        regularity(broken)
