"""Tiny runs on digits and proteins, to be measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from care_bench.config import EvaluationConfig, RunConfig
from care_bench.config.presets import load_preset
from care_bench.runs.folder import RunFolder
from care_bench.training.pretrain import pretrain

SETTINGS = EvaluationConfig(augmentations=4, classifier_seeds=2, batch_size=100)


@pytest.fixture(scope="session")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """Data set -> a tiny run on it."""
    folders = {}
    for dataset in ("digits", "proteins"):
        preset: dict[str, Any] = load_preset(dataset)
        preset["encoder"]["backbone"]["width"] = 4
        preset["training"].update({"steps": 3, "batch_size": 32, "warmup_epochs": 0})
        care = {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 0.3, "fidelity": "released-code"}
        identity = {"profile": "tiny", "dataset": dataset, "variant": "tiny", "seed": 3}
        config = RunConfig.parse({**identity, "method": care, **preset}, "here")
        folders[dataset] = pretrain(config, data, tmp_path_factory.mktemp(dataset) / "run")
    return folders
