"""Evaluation of snapshots, which are encoders kept before the end of training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from care_bench.artifacts import Record
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.collection import read_collection
from care_bench.config import EvaluationConfig, RunConfig
from care_bench.config.presets import load_preset
from care_bench.data import load
from care_bench.errors import CareBenchError
from care_bench.evaluation.run import evaluate
from care_bench.files import sha256_file
from care_bench.models import Encoder
from care_bench.runs.build import build_run_encoder
from care_bench.runs.folder import RunFolder
from care_bench.runs.weights import encoder_bytes
from care_bench.training.pretrain import pretrain

SETTINGS = EvaluationConfig(augmentations=2, classifier_seeds=2)
OVER_TRAINING = {
    *("wahba-v1", "relative-equivariance-v1", "alignment-uniformity-v1"),
    *("cosine-v1", "positive-cosine-v1"),
}
Outcome = tuple[float | None, str | None]


@pytest.fixture
def run(data: Path, tmp_path: Path) -> RunFolder:
    """A finished run with two snapshots: its final weights as epoch 2, untrained weights as epoch 10."""
    preset = load_preset("proteins")
    preset["encoder"]["backbone"]["width"] = 4
    preset["training"].update({"steps": 3, "batch_size": 32, "warmup_epochs": 0})
    identity = {"profile": "tiny", "dataset": "proteins", "variant": "simclr", "seed": 0}
    config = RunConfig.parse({**identity, "method": {"name": "simclr"}, **preset}, "here")
    folder = pretrain(config, data, tmp_path / "run")
    (folder.path / "snapshots").mkdir(exist_ok=True)
    untrained = encoder_bytes(build_run_encoder(config, load("proteins", data)), config.sha256())
    paths = {}
    for epoch, content in (("10", untrained), ("2", folder.encoder.read_bytes())):
        paths[epoch] = folder.path / "snapshots" / f"epoch{epoch}.safetensors"
        paths[epoch].write_bytes(content)
    summary = json.loads(folder.summary.read_text())
    summary["snapshots"] = {epoch: sha256_file(path) for epoch, path in paths.items()}
    folder.summary.write_text(json.dumps(summary))
    return folder


def outcomes(records: list[Record], epoch: int | None) -> dict[tuple[str, ...], Outcome]:
    return {
        (record.protocol, record.representation, record.metric): (record.value, record.reason)
        for record in records
        if record.epoch == epoch
    }


def test_snapshots_are_measured_under_the_cheap_protocols(run: RunFolder, data: Path, tmp_path: Path) -> None:
    records = evaluate(run.path, data, SETTINGS, tmp_path / "records.jsonl")
    epochs = [record.epoch for record in records]
    assert list(dict.fromkeys(epochs)) == [None, 2, 10]
    final, second, tenth = (outcomes(records, epoch) for epoch in (None, 2, 10))
    assert {protocol for protocol, *_ in second} == {protocol for protocol, *_ in tenth} == OVER_TRAINING
    assert {protocol for protocol, *_ in final} > OVER_TRAINING
    # The same weights under the same augmentations give the same numbers.
    assert second == {key: value for key, value in final.items() if key[0] in OVER_TRAINING}
    assert all(value is not None for value, _ in tenth.values())
    gamma = ("relative-equivariance-v1", "projection", "gamma")
    assert tenth[gamma] != second[gamma]


def test_records_of_snapshots_cite_their_own_weights(run: RunFolder, data: Path, tmp_path: Path) -> None:
    records = evaluate(run.path, data, SETTINGS, tmp_path / "records.jsonl")
    expected = {
        None: sha256_file(run.encoder),
        2: sha256_file(run.path / "snapshots" / "epoch2.safetensors"),
        10: sha256_file(run.path / "snapshots" / "epoch10.safetensors"),
    }
    assert {(record.epoch, record.weights_sha256) for record in records} == set(expected.items())
    collect([tmp_path / "records.jsonl"], tmp_path / "collected")
    collected = read_collection(tmp_path / "collected").records
    assert {record.sha256 for record in collected} == {record.sha256 for record in records}


def test_only_the_test_split_of_a_snapshot_is_embedded(
    run: RunFolder, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    features = Encoder.features

    def counted(encoder: Encoder, inputs: torch.Tensor) -> torch.Tensor:
        counts.append(len(inputs))
        return features(encoder, inputs)

    monkeypatch.setattr(Encoder, "features", counted)
    evaluate(run.path, data, SETTINGS, tmp_path / "records.jsonl")
    dataset = load("proteins", data)
    train, test = len(dataset.train), len(dataset.test)
    # Plain and under two augmentations, both splits once and the test split twice more; the test split again under a
    # second augmentation after each of the two; 24 x 3 trajectories of 100. The test split at five angles about one
    # axis, and with its derivatives about three axes.
    assert max(train, test) <= 512
    assert sum(counts) == 3 * (train + test) + 2 * 3 * test + 2 * test + 7200 + 5 * test + 3 * test


def test_a_changed_snapshot_is_refused_before_anything_is_measured(run: RunFolder, data: Path, tmp_path: Path) -> None:
    path = run.path / "snapshots" / "epoch10.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CareBenchError, match=r"epoch10\.safetensors is truncated or changed"):
        evaluate(run.path, data, SETTINGS, tmp_path / "records.jsonl")
    assert not (tmp_path / "records.jsonl").exists()


def test_a_diverged_snapshot_is_named(
    run: RunFolder, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(encoder: torch.nn.Module, path: Path, config_sha256: str) -> None:
        if path.name == "epoch2.safetensors":
            torch.nn.init.constant_(next(encoder.parameters()), torch.nan)

    monkeypatch.setattr("care_bench.evaluation.run.load_encoder_weights", broken)
    with pytest.raises(CareBenchError, match=r"run proteins/simclr/seed0, epoch 2: \d+ projection rows of the test"):
        evaluate(run.path, data, SETTINGS, tmp_path / "records.jsonl")


def test_every_encoder_of_a_run_shows_its_progress(
    run: RunFolder, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    records = evaluate(run.path, data, SETTINGS)
    said = capfd.readouterr().err.splitlines()
    for epoch, of in ((None, ""), (2, ", epoch 2"), (10, ", epoch 10")):
        measured = {(record.protocol, record.representation) for record in records if record.epoch == epoch}
        title = f"run proteins/simclr/seed0{of}: protocols "
        lines = [line.removeprefix(title) for line in said if line.startswith(title)]
        assert len(lines) == 10
        assert lines[-1].split()[0] == f"{len(measured)}/{len(measured)}"
        assert any(" of projection" in line for line in lines)
