"""Recorded numbers of point clouds, computed again: first components and trajectories."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from care_bench.runs.randomness import generator
from tests.wiring.end_to_end.whole_run import (
    BOTH,
    DRAWS,
    SETTINGS,
    Array,
    Measured,
    assert_same,
    half,
    orthogonal,
    plain,
)


@BOTH
def test_point_clouds(representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured("proteins")

    def split(inputs: Array, purpose: str) -> tuple[Array, Array]:
        drawn = run.draw(purpose)
        turned = [run.views(inputs, drawn, i) for i in range(DRAWS)]
        clouds = torch.cat(turned).double().numpy()
        return np.concatenate([run.embed(views)[representation] for views in turned]), projectors(clouds)

    (z, target), (test_z, test_target) = split(run.train, "train augmentations"), split(run.test, "test augmentations")
    mean, std = z.mean(axis=0), z.std(axis=0)
    std[std == 0] = 1
    x, test_x = (z - mean) / std, (test_z - mean) / std
    predicted = ridge(x, target.reshape(len(x), 9), test_x).reshape(-1, 3, 3)
    spread = ((test_target - test_target.mean(axis=0)) ** 2).sum()
    r2 = 1 - ((test_target - predicted) ** 2).sum() / spread
    assert_same(run.value("first-pc-v1", "first_pc_r2", representation), r2, rel=1e-3, abs_=1e-4)
    lines = np.linalg.eigh(test_target)[1][:, :, 2], np.linalg.eigh(predicted)[1][:, :, 2]
    angles = np.degrees(np.arccos(np.minimum(np.abs((lines[0] * lines[1]).sum(axis=1)), 1)))
    assert_same(run.value("first-pc-v1", "first_pc_angle", representation), angles.mean(), rel=2e-3)

    chosen = torch.randperm(
        len(run.test), generator=generator("proteins", SETTINGS.augmentation_seed, "trajectory clouds")
    )
    planarity, variation = [], []
    curves = np.empty((24, 3, 100, run.embed(plain(run, run.test))[representation].shape[1]))
    for number, cloud in enumerate(run.test[chosen[:24].numpy()]):
        for axis in range(3):
            angle = 2 * np.pi * np.arange(100) / 100
            turns = np.tile(np.eye(3), (100, 1, 1))
            i, j = (axis + 1) % 3, (axis + 2) % 3
            turns[:, i, i] = turns[:, j, j] = np.cos(angle)
            turns[:, j, i], turns[:, i, j] = np.sin(angle), -np.sin(angle)
            views = torch.from_numpy(np.einsum("tij,pj->tpi", turns, cloud.astype(np.float64))).float()
            curves[number, axis] = curve = run.embed(views)[representation]
            if number > 2:
                continue
            variances = np.linalg.eigvalsh(np.cov(curve.T))[::-1]
            planarity.append(100 * variances[:2].sum() / variances.sum())
            steps = np.linalg.norm(np.roll(curve, -1, axis=0) - curve, axis=1)
            variation.append(steps.std() / steps.mean())
    assert_same(run.value("trajectories-v1", "trajectory_planarity", representation), np.mean(planarity))
    assert_same(run.value("trajectories-v1", "trajectory_step_variation", representation), np.mean(variation), rel=1e-2)

    fitted = half(run, chosen[:24].numpy())
    residuals, closures = [], []
    for axis in range(3):
        points, after = curves[:, axis], np.roll(curves[:, axis], -1, axis=1)
        width = points.shape[-1]
        step = orthogonal(points[fitted].reshape(-1, width), after[fitted].reshape(-1, width))
        left = np.linalg.norm(after[~fitted] - points[~fitted] @ step.T)
        residuals.append(left / np.linalg.norm(after[~fitted] - points[~fitted]))
        for start in points[~fitted][:, 0]:
            way = [np.linalg.norm(np.linalg.matrix_power(step, k) @ start - start) for k in range(1, 101)]
            closures.append(way[-1] / max(way))
    residual = run.value("trajectories-v1", "trajectory_group_residual", representation)
    assert_same(residual, np.mean(residuals), rel=1e-2)
    assert_same(run.value("trajectories-v1", "trajectory_closure", representation), np.mean(closures), abs_=0.02)


def projectors(clouds: Array) -> Array:
    """Return v v^T of the first principal component of every cloud."""
    centred = clouds - clouds.mean(axis=1, keepdims=True)
    leading = np.linalg.eigh(np.einsum("npi,npj->nij", centred, centred))[1][:, :, 2]
    return np.asarray(leading[:, :, None] * leading[:, None, :])


def ridge(x: Array, target: Array, test_x: Array) -> Array:
    """Predict by ridge regression; the penalty has the least leave-one-out error among 1e-6, 1e-5, ..., 1e6."""
    centre = target.mean(axis=0)
    best = (np.inf, np.zeros((x.shape[1], target.shape[1])))
    for power in range(-6, 7):
        inverse = np.linalg.inv(x.T @ x + 10.0**power * np.eye(x.shape[1]))
        weight = inverse @ x.T @ (target - centre)
        leverage = 1 / len(x) + np.einsum("ni,ij,nj->n", x, inverse, x)
        left_out = (target - centre - x @ weight) / (1 - leverage)[:, None]
        best = min(best, ((left_out**2).sum(), weight), key=lambda one: one[0])
    return np.asarray(test_x @ best[1] + centre)
