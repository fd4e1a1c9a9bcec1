from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from care_bench.metrics import first_component_projectors, principal_component


def clouds(n, seed):
    """Return clouds of 30 points that are longest along a random axis."""
    generator = np.random.default_rng(seed)
    points = generator.standard_normal((n, 30, 3)) * [3.0, 1.0, 0.5] + generator.standard_normal((n, 1, 3))
    turns = Rotation.random(n, rng=generator).as_matrix()
    return torch.from_numpy(points @ turns.transpose(0, 2, 1))


def axes(points):
    return np.stack([PCA(1).fit(cloud).components_[0] for cloud in points.numpy()])


def features(points, seed, noise):
    """Return a noisy linear image of the projectors in R^8, and four columns of noise at another scale."""
    v = axes(points)
    mix = np.random.default_rng(7).standard_normal((9, 8))
    generator = np.random.default_rng(seed)
    informative = (v[:, :, None] * v[:, None, :]).reshape(-1, 9) @ mix + noise * generator.standard_normal((len(v), 8))
    return np.concatenate([informative, 100 * generator.standard_normal((len(v), 4))], axis=1)


def test_projectors_are_those_of_principal_component_analysis():
    points = clouds(20, 0)
    v = axes(points)
    assert first_component_projectors(points).numpy() == pytest.approx(v[:, :, None] * v[:, None, :], abs=1e-10)
    assert first_component_projectors(-5 * points + 2).numpy() == pytest.approx(
        v[:, :, None] * v[:, None, :], abs=1e-10
    )


def test_agrees_with_nine_separate_ridge_regressions():
    train, test = clouds(150, 0), clouds(80, 1)
    z, test_z = features(train, 2, 0.3), features(test, 3, 0.3)
    result = principal_component(*map(torch.as_tensor, (z, train, test_z, test)))

    mean, deviation = z.mean(axis=0), z.std(axis=0)
    v, test_v = axes(train), axes(test)
    targets, expected = (
        (a[:, :, None] * a[:, None, :]).reshape(len(a), 9) for a in (v, test_v)
    )  # all nine entries: the off-diagonals count twice
    ridge = Ridge(alpha=result.alpha).fit((z - mean) / deviation, targets)
    predicted = ridge.predict((test_z - mean) / deviation)
    r2 = 1 - ((expected - predicted) ** 2).sum() / ((expected - expected.mean(axis=0)) ** 2).sum()
    leading = np.linalg.eigh(predicted.reshape(-1, 3, 3))[1][:, :, -1]
    angles = np.degrees(np.arccos(np.abs((leading * test_v).sum(axis=1))))
    assert 0.3 < r2 < 0.95
    assert result.r2 == pytest.approx(r2, abs=1e-9)
    assert result.angle == pytest.approx(angles.mean(), abs=1e-6)


def test_the_penalty_is_chosen_by_leaving_one_train_sample_out():
    train, test = clouds(40, 0), clouds(10, 1)
    z, test_z = features(train, 2, 1.0), features(test, 3, 1.0)
    result = principal_component(*map(torch.as_tensor, (z, train, test_z, test)))

    x = (z - z.mean(axis=0)) / z.std(axis=0)
    v = axes(train)
    targets = (v[:, :, None] * v[:, None, :]).reshape(-1, 9)

    def left_out_error(alpha):
        total = 0.0
        for i in range(len(x)):
            rest = np.arange(len(x)) != i
            predicted = Ridge(alpha=alpha).fit(x[rest], targets[rest]).predict(x[i : i + 1])
            total += ((predicted - targets[i]) ** 2).sum()
        return total

    best = min((10.0**power for power in range(-6, 7)), key=left_out_error)
    assert 1e-6 < best < 1e6
    assert result.alpha == pytest.approx(best)


def test_features_with_full_information_give_an_exact_fit():
    train, test = clouds(100, 0), clouds(50, 1)
    z, test_z = (first_component_projectors(points).flatten(1) for points in (train, test))
    result = principal_component(z, train, test_z, test)
    assert result.r2 > 1 - 1e-6
    assert result.angle < 0.01


def test_features_without_information_are_no_better_than_a_random_axis():
    train, test = clouds(2000, 0), clouds(2000, 1)
    generator = np.random.default_rng(2)
    z, test_z = (torch.from_numpy(generator.standard_normal((2000, 4))) for _ in range(2))
    result = principal_component(z, train, test_z, test)
    assert abs(result.r2) < 0.01
    # Two independent lines in space enclose one radian on average.
    assert result.angle == pytest.approx(np.degrees(1), abs=2)


def test_refuses():
    points = clouds(5, 0)
    z = torch.eye(5, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"test_clouds has shape \(4, 30, 3\); expected 5 clouds"):
        principal_component(z, points, z, points[:4])
    with pytest.raises(ValueError, match="z has 5 columns and test_z 4"):
        principal_component(z, points, z[:, :4], points)
    with pytest.raises(ValueError, match="all 5 test clouds share one first component"):
        principal_component(z, points, z, points[:1].expand(5, 30, 3))
    with pytest.raises(ValueError, match=r"clouds have shape \(5, 30, 2\)"):
        principal_component(z, points[:, :, :2], z, points)


def test_refuses_a_cloud_without_a_first_component():
    square = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    bar = torch.tensor([[2.0, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0]])
    with pytest.raises(ValueError, match="cloud 1 has no first principal component"):
        first_component_projectors(torch.stack([bar, square]))
    with pytest.raises(ValueError, match="cloud 0 has no first principal component"):
        first_component_projectors(torch.ones(2, 4, 3))
