from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import expm, orthogonal_procrustes

from care_bench.metrics import one_parameter_group

TURN = np.arange(100) * 2 * np.pi / 100
HALF = torch.tensor([True, False])


def skew(d, seed):
    drawn = np.random.default_rng(seed).standard_normal((d, d))
    return drawn - drawn.T


def circle(angles):
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def measured(*curves, fitted=HALF):
    """Measure curves (T, d) of several samples about one axis."""
    return one_parameter_group(torch.from_numpy(np.stack(curves))[:, None], fitted)


def test_a_group_in_several_planes_leaves_nothing_and_closes():
    # Planes that turn once, twice and three times; a rest that stays. The starts are drawn at random.
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((7, 7)))[0]
    generator = np.zeros((7, 7))
    for plane, frequency in enumerate((1, 2, 3)):
        generator[2 * plane + 1, 2 * plane] = frequency
        generator[2 * plane, 2 * plane + 1] = -frequency
    starts = np.random.default_rng(1).standard_normal((16, 7))
    turns = np.stack([basis @ expm(angle * generator) @ basis.T for angle in TURN])
    curves = np.einsum("tij,nj->nti", turns, starts)
    found = one_parameter_group(torch.from_numpy(curves)[:, None], torch.arange(16) < 8)
    assert found.residual.shape == (1,)
    assert found.closure.shape == (1, 8)
    assert found.residual.item() == pytest.approx(0, abs=1e-9)
    assert found.closure.numpy() == pytest.approx(0, abs=1e-9)


def test_a_map_that_turns_the_other_way():
    # The held-out curve turns back: |R' - R| / |R' - 1| for rotations by -a and a is 2 sin(a) / (2 sin(a / 2)).
    found = measured(circle(TURN), circle(-TURN))
    assert found.residual.item() == pytest.approx(2 * math.cos(math.pi / 100), rel=1e-9)
    assert found.closure.item() == pytest.approx(0, abs=1e-9)


def test_half_a_turn_that_jumps_back():
    # 100 points on half a circle, a = pi / 100 apart. 99 steps by a and one by -99 a have the sum 98 exp(i a), so the
    # map turns by a: its power for the whole turn is -1, opposite to the start. It misses the last step alone, by 2.
    curve = circle(np.arange(100) * math.pi / 100)
    found = measured(curve, curve)
    steps = 99 * (2 * math.sin(math.pi / 200)) ** 2 + (2 * math.sin(99 * math.pi / 200)) ** 2
    assert found.residual.item() == pytest.approx(2 / math.sqrt(steps), rel=1e-9)
    assert found.closure.item() == pytest.approx(1, rel=1e-9)


def test_agrees_with_scipy():
    rng = np.random.default_rng(2)
    curves = np.einsum("tij,nj->nti", np.stack([expm(t * skew(5, 3) / 5) for t in TURN]), rng.standard_normal((6, 5)))
    curves = np.stack([curves + 0.1 * rng.standard_normal(curves.shape), rng.standard_normal(curves.shape)], axis=1)
    fitted = np.array([True, False, True, True, False, False])
    found = one_parameter_group(torch.from_numpy(curves), torch.from_numpy(fitted))
    for axis in range(2):
        points, after = curves[:, axis], np.roll(curves[:, axis], -1, axis=1)
        right, _ = orthogonal_procrustes(points[fitted].reshape(-1, 5), after[fitted].reshape(-1, 5))
        left = np.linalg.norm(after[~fitted] - points[~fitted] @ right)
        steps = np.linalg.norm(after[~fitted] - points[~fitted])
        assert found.residual[axis].item() == pytest.approx(left / steps, rel=1e-9)
        for sample, start in enumerate(points[~fitted][:, 0]):
            orbit = [np.linalg.norm(start @ np.linalg.matrix_power(right, k) - start) for k in range(1, 101)]
            assert found.closure[axis, sample].item() == pytest.approx(orbit[-1] / max(orbit), rel=1e-6)


def test_a_curve_of_its_own_for_every_sample_is_no_group():
    # Each of six circles is a one-parameter group, but in a plane of its own.
    rng = np.random.default_rng(3)
    planes = [np.linalg.qr(rng.standard_normal((16, 2)))[0] for _ in range(6)]
    found = measured(*(circle(TURN) @ plane.T for plane in planes), fitted=torch.arange(6) < 3)
    assert found.residual.item() > 0.5


def test_a_map_that_stays_never_comes_back():
    # The fitted sample is in the first plane, the held-out one in the second, which the map leaves as it is.
    zeros = np.zeros((100, 2))
    found = measured(np.hstack([circle(TURN), zeros]), np.hstack([zeros, circle(TURN)]))
    assert found.residual.item() == pytest.approx(1, rel=1e-12)
    assert found.closure.item() == 1


def test_a_sample_that_does_not_move_has_no_part_in_it():
    still = np.tile([[0.5, 0.1]], (100, 1))
    found = measured(circle(TURN), circle(TURN + 1), 0 * still, fitted=torch.tensor([True, False, False]))
    assert found.residual.item() == pytest.approx(0, abs=1e-9)
    # Where it is, the map moves it all the same: by 2 sin(a / 2) of its norm, where the other one moves by its norm 1.
    found = measured(circle(TURN), circle(TURN + 1), still, fitted=torch.tensor([True, False, False]))
    assert found.residual.item() == pytest.approx(math.sqrt(0.26), rel=1e-9)


def test_refuses():
    moving = torch.from_numpy(circle(TURN)).expand(2, 1, 100, 2)
    with pytest.raises(ValueError, match=r"trajectories have shape \(100, 2\); expected \(n, G, T, d\)"):
        one_parameter_group(moving[0, 0], HALF)
    with pytest.raises(ValueError, match="the trajectories do not move"):
        one_parameter_group(torch.ones(2, 1, 100, 2), HALF)
    with pytest.raises(ValueError, match="expected some, and some held out"):
        one_parameter_group(moving, torch.ones(2, dtype=torch.bool))
