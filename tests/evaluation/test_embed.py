"""Embeddings of an exactly equivariant encoder, whose metrics can be computed from the clouds themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import nn

from care_bench.augmentations import RandomRotation3D
from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, load
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.models import Encoder
from care_bench.names import REPRESENTATIONS

SETTINGS = EvaluationConfig(augmentations=4, classifier_seeds=2, batch_size=100)
CPU = torch.device("cpu")


class Linear(Encoder):
    """Embeds a cloud as its flattened, normalised points, on which a rotation acts exactly as an orthogonal map."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Identity(), 9, 9)


@pytest.fixture(scope="module")
def exact(data: Path) -> dict[Any, Embedded]:
    dataset = load("proteins", data)
    # Three points per cloud keep d = 9 below the number of test clouds.
    few = {split: type(dataset.train)(getattr(dataset, split).inputs[:, ::30], {}) for split in ("train", "test")}
    small = PreparedDataset("proteins", "point_cloud", {}, few["train"], few["test"], dataset.sha256, [], [])
    embedder = Embedder(Linear(), RandomRotation3D(), small, SETTINGS, CPU)
    return {representation: embedder.embedded(representation) for representation in REPRESENTATIONS}


def test_an_exactly_equivariant_encoder_is_measured_as_exact(exact: dict[Any, Embedded]) -> None:
    measured = {
        metric.name: measurement.value
        for protocol in PROTOCOLS.values()
        if protocol.skip(exact["projection"].dataset) is None
        for metric, measurement in zip(protocol.metrics, protocol.measure(exact["projection"]), strict=True)
    }
    assert measured["wahba_error"] == pytest.approx(0, abs=1e-4)
    assert measured["wahba_error_worst"] == pytest.approx(0, abs=1e-4)
    assert measured["gamma"] == pytest.approx(0, abs=1e-9)
    assert measured["composition_error"] == pytest.approx(0, abs=1e-5)
    assert measured["invariance"] > 0.5
    # Coordinates along the axis stay, the others move on one circle: planar, at a constant speed.
    assert measured["trajectory_planarity"] == pytest.approx(100, abs=1e-6)
    assert measured["trajectory_step_variation"] == pytest.approx(0, abs=1e-4)
    # One rotation takes every cloud from step to step, and back to its start.
    assert measured["trajectory_group_residual"] == pytest.approx(0, abs=1e-3)
    assert measured["trajectory_closure"] == pytest.approx(0, abs=1e-3)


def test_the_numbers_are_those_of_the_test_split(exact: dict[Any, Embedded]) -> None:
    """Wahba's residual and the cosines from the clouds themselves, in float64."""
    embedded = exact["features"]
    clouds = np.array(embedded.dataset.test.inputs, dtype=np.float64)
    turned = embedded.test_clouds.numpy().astype(np.float64)
    flat = clouds.reshape(len(clouds), -1)
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    cosines = []
    for copy in turned:
        rows = copy.reshape(len(clouds), -1)
        cosines.append((unit * rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=1))
    mean, variance, opposed = PROTOCOLS["cosine-v1"].measure(embedded)
    assert mean.value == pytest.approx(np.mean(cosines), abs=1e-5)
    assert mean.spread == pytest.approx(np.std([c.mean() for c in cosines], ddof=1), abs=1e-5)
    assert variance.value == pytest.approx(np.mean([c.var(ddof=1) for c in cosines]), abs=1e-5)
    assert opposed.value == pytest.approx(np.mean([(c <= -0.5).mean() for c in cosines]), abs=1e-6)
    aligned, _ = PROTOCOLS["alignment-uniformity-v1"].measure(embedded)
    directions = [c.reshape(len(c), -1) / np.linalg.norm(c.reshape(len(c), -1), axis=1, keepdims=True) for c in turned]
    positive = np.stack([(directions[i] * directions[i + 1]).sum(axis=1) for i in (0, 2)])
    mean, lowest, _, median, *_ = PROTOCOLS["positive-cosine-v1"].measure(embedded)
    assert mean.values == pytest.approx(positive.mean(axis=1), abs=1e-5)
    assert lowest.value == pytest.approx(np.percentile(positive, 5), abs=1e-5)
    assert median.value == pytest.approx(np.median(positive), abs=1e-5)
    pairs = [np.linalg.norm(directions[i] - directions[i + 1], axis=1).mean() for i in (0, 2)]
    assert aligned.value == pytest.approx(np.mean(pairs), abs=1e-5)


def test_the_same_augmentation_acts_on_the_whole_test_set(exact: dict[Any, Embedded]) -> None:
    embedded = exact["projection"]
    clouds = torch.from_numpy(np.array(embedded.dataset.test.inputs)).double()
    for copy in embedded.test_clouds.double():
        # One rotation explains every cloud: solve it on the first, check it on all.
        u, _, vt = torch.linalg.svd(copy[0].T @ clouds[0])
        sign = torch.tensor([1.0, 1.0, torch.sign(torch.det(u @ vt)).item()], dtype=torch.float64)
        torch.testing.assert_close(clouds @ (u * sign @ vt).T, copy, rtol=0, atol=1e-5)
    first, second = embedded.test_clouds[:2]
    assert (first - second).abs().max() > 0.1


def test_trajectories_are_test_clouds_turned_about_each_axis(exact: dict[Any, Embedded]) -> None:
    embedded = exact["features"]
    found = embedded.trajectories
    assert found.shape == (24, 3, 100, 9)
    clouds = np.array(embedded.dataset.test.inputs, dtype=np.float64)
    starts = found[:, 0, 0].numpy()
    chosen = [int(np.abs(clouds.reshape(len(clouds), -1) - start).max(axis=1).argmin()) for start in starts]
    assert len(set(chosen)) == 24
    for cloud, curves in zip(clouds[chosen], found, strict=True):
        for axis in range(3):
            turns = Rotation.from_rotvec(np.arange(100)[:, None] * 3.6 * np.eye(3)[axis], degrees=True).as_matrix()
            expected = np.einsum("tij,pj->tpi", turns, cloud).reshape(100, 9)
            assert curves[axis].numpy() == pytest.approx(expected, abs=1e-4)
    unit = exact["projection"].trajectories
    torch.testing.assert_close(unit, found / found.norm(dim=-1, keepdim=True))


def test_a_few_samples_are_spread_over_the_split(data: Path) -> None:
    dataset = load("proteins", data)
    few = EvaluationConfig(augmentations=2, samples=4)
    embedded = Embedder(Linear(), RandomRotation3D(), dataset, few, CPU).embedded("features")
    for split, part, rows in (
        (dataset.train, embedded.dataset.train, embedded.train),
        (dataset.test, embedded.dataset.test, embedded.test),
    ):
        chosen = [0, len(split) // 4, len(split) // 2, 3 * len(split) // 4]
        assert rows.numpy() == pytest.approx(np.array(split.inputs[chosen]).reshape(4, -1))
        assert part.labels["pdb_id"].tolist() == split.labels["pdb_id"][chosen].tolist()
    assert embedded.augmented.shape[:2] == (2, 4)
    whole = EvaluationConfig(augmentations=2, samples=10**6)
    found = Embedder(Linear(), RandomRotation3D(), dataset, whole, CPU).embedded("features")
    assert len(found.test) == len(dataset.test)
