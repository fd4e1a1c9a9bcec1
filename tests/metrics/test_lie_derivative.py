from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.linalg import expm, lstsq
from scipy.stats import special_ortho_group

from care_bench.metrics import RotationGenerators, lie_derivative, on_sphere


def draw(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def skew(d, seed):
    one = draw((d, d), seed)
    return one - one.T


def by_least_squares(z, velocity):
    """Return the best skew-symmetric matrix, by scipy, over a basis of them."""
    d = z.shape[1]
    basis = []
    for j, k in combinations(range(d), 2):
        one = np.zeros((d, d))
        one[j, k], one[k, j] = 1, -1
        basis.append(one)
    found = lstsq(np.stack([(z @ one.T).ravel() for one in basis], axis=1), velocity.ravel(), cond=1e-10)[0]
    return np.tensordot(found, basis, 1)


@pytest.mark.parametrize(("n", "d"), [(30, 2), (30, 5), (4, 6), (3, 9)])
def test_the_best_generator_agrees_with_scipy(n, d):
    z, velocity = draw((n, d), 0) * np.linspace(0.2, 3, d), draw((n, d), 1)
    find = RotationGenerators(torch.from_numpy(z))
    found = find(torch.from_numpy(velocity), torch.eye(d, dtype=torch.float64)).numpy().T
    assert found == pytest.approx(-found.T, abs=1e-12)
    expected = by_least_squares(z, velocity)
    # With few samples the matrix is not unique, what it does to them is.
    assert z @ found.T == pytest.approx(z @ expected.T, abs=1e-8)
    assert found == pytest.approx(expected, abs=1e-8), "the one of least norm"
    if n > d:
        assert found == pytest.approx(expected, abs=1e-9)


def measure(z, velocity, fitted=None):
    fitted = np.arange(len(z)) % 2 == 0 if fitted is None else fitted
    (found,) = lie_derivative(*map(torch.from_numpy, (z, velocity, fitted)))
    return found


def test_a_rotation_that_sets_in_is_explained():
    z, generator = draw((60, 5), 0), skew(5, 1)
    found = measure(z, z @ generator.T)
    assert found.unexplained == pytest.approx(0, abs=1e-12)
    assert found.speed == pytest.approx(np.sqrt(((z @ generator.T) ** 2).sum(axis=1).mean()), rel=1e-12)
    step = 1e-6
    finite = (z @ expm(step * generator).T - z @ expm(-step * generator).T) / (2 * step)
    assert measure(z, finite).unexplained == pytest.approx(0, abs=1e-8)


def test_a_stretch_and_noise_are_not_explained():
    z = draw((4000, 3), 0)
    assert measure(z, z * [1, 2, 3]).unexplained == pytest.approx(1, abs=0.05)
    assert measure(z, draw((4000, 3), 1)).unexplained == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("d", [4, 14])  # fewer dimensions than the ten fitted samples, and more
def test_held_out_samples_are_measured(d):
    z, velocity = draw((40, d), 0), draw((40, d), 1)
    fitted = np.arange(40) < 10
    generator = by_least_squares(z[fitted], velocity[fitted])
    rest = velocity[~fitted] - z[~fitted] @ generator.T
    expected = np.sqrt((rest**2).sum() / (velocity[~fitted] ** 2).sum())
    assert measure(z, velocity, fitted).unexplained == pytest.approx(expected, rel=1e-9)
    assert expected > 1


def test_every_generator_is_measured_on_its_own():
    z, velocities = draw((20, 3), 0), draw((3, 20, 3), 1)
    fitted = torch.arange(20) % 2 == 0
    together = lie_derivative(torch.from_numpy(z), torch.from_numpy(velocities), fitted)
    assert together == [measure(z, velocity) for velocity in velocities]


def test_an_invariant_encoder_has_no_speed_and_no_fraction():
    found = measure(draw((10, 3), 0), np.zeros((10, 3)))
    assert found.speed == 0
    assert np.isnan(found.unexplained)


def test_on_the_sphere_growth_is_no_movement():
    z, turn = draw((20, 4), 0), special_ortho_group.rvs(4, random_state=1)
    velocity = draw((20, 4), 2)
    unit, moving = on_sphere(torch.from_numpy(z), torch.from_numpy(velocity))
    step = 1e-6
    ahead, behind = z + step * velocity, z - step * velocity
    finite = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (ahead, behind)]
    assert moving.numpy() == pytest.approx((finite[0] - finite[1]) / (2 * step), abs=1e-8)
    assert torch.linalg.vector_norm(unit, dim=1).numpy() == pytest.approx(1, abs=1e-12)
    assert on_sphere(torch.from_numpy(z @ turn), torch.from_numpy(3 * z @ turn))[1].numpy() == pytest.approx(
        0, abs=1e-12
    )
    with pytest.raises(ValueError, match="zero has no direction"):
        on_sphere(torch.zeros(2, 3), torch.ones(2, 3))


def test_refuses_what_does_not_match():
    with pytest.raises(ValueError, match="expected one velocity a row, and samples in both parts"):
        measure(draw((4, 2), 0), draw((5, 2), 1), np.arange(4) < 2)
    with pytest.raises(ValueError, match="fitted 4 samples"):
        measure(draw((4, 2), 0), draw((4, 2), 1), np.arange(4) < 9)
