"""Every data set from its files on disk to records: prepare, pretrain for two steps, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from care_bench.config import EvaluationConfig, RunConfig
from care_bench.config.presets import load_preset
from care_bench.data import DATASETS, load, prepare
from care_bench.data.preparing import conversion
from care_bench.evaluation.run import evaluate
from care_bench.training.pretrain import pretrain
from tests.data import formats

PRESETS = {
    "cifar10": "cifar",
    "cifar100": "cifar",
    "tinted_fashion_mnist": "fashion_mnist",
}
"""Data set -> preset, if the names differ."""
EMBEDDED = ("digits", "tinted_digits", "proteins")


def run_of(dataset: str) -> RunConfig:
    preset: dict[str, Any] = load_preset(PRESETS.get(dataset, dataset))
    name = "deepset" if DATASETS[dataset].kind == "point_cloud" else "convnet"
    preset["encoder"] = {"backbone": {"name": name, "width": 4}, "projector": {"hidden": [8], "output": 8}}
    preset["training"].update(batch_size=4, steps=2, devices=1)
    method = {"name": "care", "base": {"name": "simclr"}, "splits": 2, "weight": 0.1}
    identity = {"profile": "every", "dataset": dataset, "variant": "care", "seed": 0}
    return RunConfig.parse({**identity, "method": method, **preset}, dataset)


def test_every_data_set_is_tested_here() -> None:
    assert {*formats.ALL, *EMBEDDED} == set(DATASETS)


@pytest.mark.parametrize("dataset", [*formats.ALL, *EMBEDDED])
def test_from_files_to_records(dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if dataset in formats.ALL:
        formats.written_set(monkeypatch, dataset, tmp_path / "raw")
    monkeypatch.setattr(conversion, "worker_count", lambda: 1)
    store = tmp_path / "store"
    prepare(dataset, store, tmp_path / "raw")
    assert [path.name for path in store.iterdir()] == [dataset], "no workspace is left"

    run = pretrain(run_of(dataset), store, tmp_path / "run")
    settings = EvaluationConfig(augmentations=2, classifier_seeds=2, samples=40)
    records = evaluate(run.path, store, settings, tmp_path / "records.jsonl")
    measured = {record.metric: record for record in records if record.value is not None}
    assert {"wahba_error", "gamma", "alignment", "uniformity"} <= set(measured)
    assert {record.data_sha256 for record in records} == {load(dataset, store).sha256}
    if DATASETS[dataset].kind == "image":
        probe = "paper-imagenet100-v1" if dataset == "imagenet100" else "paper-small-v1"
        accuracy = {record.protocol for record in records if record.metric == "top1" and record.value is not None}
        assert {probe, "cached-v1"} <= accuracy
    else:
        assert "first_pc_angle" in measured
    # A record without a value has a reason.
    assert all(record.reason for record in records if record.value is None)
