"""Evaluation of a run: which numbers come out, on which data, and why some are missing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import nn

from care_bench.augmentations import RandomRotation3D
from care_bench.config import EvaluationConfig, RunConfig
from care_bench.config.presets import load_preset
from care_bench.data import PreparedDataset, load, prepare
from care_bench.errors import CareBenchError
from care_bench.evaluate import evaluate
from care_bench.evaluation.embed import Embedded, embed_dataset
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.run import Evaluation, evaluate_run
from care_bench.models import Encoder
from care_bench.training import RunFolder
from care_bench.training.pretrain import pretrain

SETTINGS = EvaluationConfig(augmentations=4, classifier_seeds=2, batch_size=100)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name in ("digits", "proteins"):
        prepare(name, root)
    return root


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    folders = {}
    for dataset in ("digits", "proteins"):
        preset: dict[str, Any] = load_preset(dataset)
        preset["encoder"]["backbone"]["width"] = 4
        preset["training"].update({"steps": 3, "batch_size": 32, "warmup_epochs": 0})
        care = {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 0.3, "fidelity": "released-code"}
        identity = {"profile": "tiny", "dataset": dataset, "variant": "row", "seed": 3}
        config = RunConfig.parse({**identity, "method": care, **preset}, "here")
        folders[dataset] = pretrain(config, data, tmp_path_factory.mktemp(dataset) / "run")
    return folders


@pytest.fixture(scope="module")
def evaluations(runs: dict[str, RunFolder], data: Path) -> dict[str, Evaluation]:
    return {name: evaluate_run(folder.path, data, SETTINGS) for name, folder in runs.items()}


def value(evaluation: Evaluation, metric: str, representation: str, protocol: str | None = None) -> float:
    found = [
        measured.measurement.value
        for measured in evaluation.measured
        if (measured.metric.name, measured.representation) == (metric, representation)
        and protocol in (None, measured.protocol.id)
    ]
    assert len(found) == 1
    assert found[0] is not None
    return found[0]


def test_every_metric_of_both_representations_is_there_once(evaluations: dict[str, Evaluation]) -> None:
    expected = sorted(
        (protocol.id, metric.name, representation)
        for protocol in PROTOCOLS
        for metric in protocol.metrics
        for representation in ("projection", "features")
    )
    for evaluation in evaluations.values():
        found = sorted((m.protocol.id, m.metric.name, m.representation) for m in evaluation.measured)
        assert found == expected


def test_what_a_data_set_cannot_give_is_a_blank_with_a_reason(evaluations: dict[str, Evaluation]) -> None:
    reasons = {
        name: {m.metric.name: m.measurement.reason for m in evaluation.measured if m.measurement.value is None}
        for name, evaluation in evaluations.items()
    }
    clouds, tint = "digits holds images, not point clouds", "has no label tint: the colour that made an image"
    assert reasons["digits"] == {
        "top1": "this recipe is for imagenet100, not for digits",
        "retrieval_tint_distance": f"digits {tint}",
        **dict.fromkeys(("first_pc_r2", "first_pc_angle"), clouds),
        **dict.fromkeys(("trajectory_planarity", "trajectory_step_variation"), clouds),
    }
    blank = {m.protocol.id for m in evaluations["digits"].measured if m.measurement.value is None}
    assert blank == {"paper-imagenet100-v1", "retrieval-v1", "first-pc-v1", "trajectories-v1"}
    assert reasons["proteins"] == {
        "top1": "proteins has no class labels",
        "retrieval_tint_distance": f"proteins {tint}",
    }


def test_repeats_are_counted(evaluations: dict[str, Evaluation]) -> None:
    counted = {(m.protocol.id, m.metric.name): m.measurement.n for m in evaluations["digits"].measured}
    assert counted["paper-small-v1", "top1"] == 2
    assert counted["cached-v1", "top1"] == 1
    assert counted["wahba-v1", "wahba_error"] == counted["cosine-v1", "cosine_mean"] == 4
    assert counted["alignment-uniformity-v1", "alignment"] == 2
    assert counted["retrieval-v1", "retrieval_overlap"] == 4
    turned = {m.metric.name: m.measurement.n for m in evaluations["proteins"].measured}
    assert turned["trajectory_planarity"] == turned["trajectory_step_variation"] == 9  # three clouds, three axes


def test_evaluating_again_gives_the_same_numbers(
    runs: dict[str, RunFolder], data: Path, evaluations: dict[str, Evaluation]
) -> None:
    again = evaluate_run(runs["proteins"].path, data, SETTINGS)
    assert [m.measurement for m in again.measured] == [m.measurement for m in evaluations["proteins"].measured]


class Linear(Encoder):
    """Embeds a cloud as its flattened, normalised points: a rotation acts on it as an orthogonal map, exactly."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Identity(), 9, 9)


@pytest.fixture(scope="module")
def exact(data: Path) -> dict[Any, Embedded]:
    dataset = load("proteins", data)
    # Three points per cloud keep d = 9 below the number of test clouds.
    few = {side: type(dataset.train)(getattr(dataset, side).inputs[:, ::30], {}) for side in ("train", "test")}
    small = PreparedDataset("proteins", "point_cloud", {}, few["train"], few["test"], dataset.sha256, [], [])
    return dict(embed_dataset(Linear(), RandomRotation3D(), small, SETTINGS, CPU))


def test_an_exactly_equivariant_encoder_measures_as_one(exact: dict[Any, Embedded]) -> None:
    measured = {
        metric.name: measurement.value
        for protocol in PROTOCOLS
        if protocol.skip(exact["projection"].dataset) is None
        for metric, measurement in zip(protocol.metrics, protocol.measure(exact["projection"]), strict=True)
    }
    assert measured["wahba_error"] == pytest.approx(0, abs=1e-4)
    assert measured["wahba_error_worst"] == pytest.approx(0, abs=1e-4)
    assert measured["gamma"] == pytest.approx(0, abs=1e-9)
    assert measured["invariance"] > 0.5
    # The coordinates along the axis stay and the others run one circle: a plane, at a constant speed.
    assert measured["trajectory_planarity"] == pytest.approx(100, abs=1e-6)
    assert measured["trajectory_step_variation"] == pytest.approx(0, abs=1e-4)


def test_the_numbers_are_those_of_the_test_split_worked_out_again(exact: dict[Any, Embedded]) -> None:
    """Wahba's residual and the cosines from the clouds themselves, in float64."""
    embedded = exact["features"]
    protocols = {protocol.id: protocol for protocol in PROTOCOLS}
    clouds = np.array(embedded.dataset.test.inputs, dtype=np.float64)
    assert embedded.test_clouds is not None
    turned = embedded.test_clouds.numpy().astype(np.float64)
    flat = clouds.reshape(len(clouds), -1)
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    cosines = []
    for copy in turned:
        rows = copy.reshape(len(clouds), -1)
        cosines.append((unit * rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=1))
    mean, variance, opposed = protocols["cosine-v1"].measure(embedded)
    assert mean.value == pytest.approx(np.mean(cosines), abs=1e-5)
    assert mean.spread == pytest.approx(np.std([c.mean() for c in cosines], ddof=1), abs=1e-5)
    assert variance.value == pytest.approx(np.mean([c.var(ddof=1) for c in cosines]), abs=1e-5)
    assert opposed.value == pytest.approx(np.mean([(c <= -0.5).mean() for c in cosines]), abs=1e-6)
    aligned, _ = protocols["alignment-uniformity-v1"].measure(embedded)
    directions = [c.reshape(len(c), -1) / np.linalg.norm(c.reshape(len(c), -1), axis=1, keepdims=True) for c in turned]
    pairs = [np.linalg.norm(directions[i] - directions[i + 1], axis=1).mean() for i in (0, 2)]
    assert aligned.value == pytest.approx(np.mean(pairs), abs=1e-5)


def test_the_same_augmentation_acts_on_the_whole_test_set(exact: dict[Any, Embedded]) -> None:
    embedded = exact["projection"]
    clouds = torch.from_numpy(np.array(embedded.dataset.test.inputs)).double()
    assert embedded.test_clouds is not None
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
    assert found is not None
    assert found.shape == (3, 3, 100, 9)
    clouds = np.array(embedded.dataset.test.inputs, dtype=np.float64)
    starts = found[:, 0, 0].numpy()
    chosen = [int(np.abs(clouds.reshape(len(clouds), -1) - start).max(axis=1).argmin()) for start in starts]
    assert len(set(chosen)) == 3
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
    embedded = embed_dataset(Linear(), RandomRotation3D(), dataset, few, CPU)["features"]
    for split, part, rows in (
        (dataset.train, embedded.dataset.train, embedded.train),
        (dataset.test, embedded.dataset.test, embedded.test),
    ):
        chosen = [0, len(split) // 4, len(split) // 2, 3 * len(split) // 4]
        assert rows is not None
        assert rows.numpy() == pytest.approx(np.array(split.inputs[chosen]).reshape(4, -1))
        assert part.labels["pdb_id"].tolist() == split.labels["pdb_id"][chosen].tolist()
    assert embedded.augmented.shape[:2] == (2, 4)
    whole = EvaluationConfig(augmentations=2, samples=10**6)
    assert len(embed_dataset(Linear(), RandomRotation3D(), dataset, whole, CPU)["features"].test) == len(dataset.test)


def test_records_carry_identity_and_provenance(runs: dict[str, RunFolder], data: Path, tmp_path: Path) -> None:
    folder = runs["digits"]
    records = evaluate(folder.path, data, SETTINGS, tmp_path / "records.jsonl")
    summary = folder.read_summary()
    assert summary is not None
    for record in records:
        assert (record.profile, record.dataset, record.variant, record.seed) == ("tiny", "digits", "row", 3)
        assert (record.method, record.base, record.fidelity) == ("care", "simclr", "released-code")
        assert record.backbone == "convnet"
        assert record.config_sha256 == summary["config_sha256"]
        assert record.data_sha256 == load("digits", data).sha256
        assert record.weights_sha256 == summary["weights_sha256"]
        assert record.device.startswith(("cpu: ", "cuda: "))
        assert record.environment["torch"]
    assert len({record.id for record in records}) == len(records)


def test_a_run_on_other_data_is_not_measured(runs: dict[str, RunFolder], data: Path, tmp_path: Path) -> None:
    summary = (runs["digits"].path / "pretrain.json").read_text()
    copy = tmp_path / "run"
    copy.mkdir()
    for path in runs["digits"].path.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    digest = load("digits", data).sha256
    (copy / "pretrain.json").write_text(summary.replace(digest, "0" * 64))
    with pytest.raises(CareBenchError, match="was trained on data 000000000000, but"):
        evaluate_run(copy, data, SETTINGS)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_embeddings_that_are_not_finite_are_an_error(
    bad: float, runs: dict[str, RunFolder], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Diverged(Linear):
        def features(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().features(inputs) * bad

    monkeypatch.setattr("care_bench.evaluation.run.build_run_encoder", lambda config, dataset: Diverged())
    monkeypatch.setattr("care_bench.evaluation.run.load_encoder_weights", lambda encoder, path, config: None)
    with pytest.raises(
        CareBenchError, match=r"run proteins/row/seed3: \d+ projection rows of the train samples are not"
    ):
        evaluate_run(runs["proteins"].path, data, SETTINGS)


def test_a_collapsed_encoder_gets_blanks_where_a_metric_is_undefined(
    runs: dict[str, RunFolder], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Collapsed(Linear):
        def features(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(inputs), 5)

    monkeypatch.setattr("care_bench.evaluation.run.build_run_encoder", lambda config, dataset: Collapsed())
    monkeypatch.setattr("care_bench.evaluation.run.load_encoder_weights", lambda encoder, path, config: None)
    evaluation = evaluate_run(runs["proteins"].path, data, SETTINGS)
    gamma = next(m for m in evaluation.measured if m.metric.name == "gamma")
    assert gamma.measurement.value is None
    assert gamma.measurement.reason == "undefined on these embeddings: nan"
    assert value(evaluation, "invariance", "projection") == 0
    assert value(evaluation, "wahba_error", "projection") == pytest.approx(0, abs=1e-5)
    assert value(evaluation, "uniformity", "projection") == pytest.approx(1, abs=1e-5)
