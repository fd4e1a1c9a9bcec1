"""A job of three runs of two steps on digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from care_bench.config import EvaluationConfig, RunConfig
from care_bench.files import sha256_file
from care_bench.jobs import evaluate_runs, pretrain_runs
from care_bench.runs.folder import RunFolder

SETTINGS = EvaluationConfig(augmentations=2, classifier_seeds=1, samples=32)
PROFILE: dict[str, Any] = {
    "profile": "small",
    "seeds": [0],
    "runs_per_job": 2,
    "datasets": {
        "digits": {
            "preset": "digits",
            "encoder": {"backbone": {"name": "convnet", "width": 4}},
            "training": {"steps": 2, "batch_size": 32},
            "methods": {
                "simclr": {"name": "simclr"},
                "invariance": {"name": "invariance"},
                "uniformity": {"name": "uniformity"},
            },
        }
    },
}


class Job:
    """A job on some runs in its own folder."""

    def __init__(self, folder: Path, data: Path, runs: list[RunConfig]) -> None:
        self.data, self.configs = data, runs
        self.file, self.runs, self.logs = folder / "runs.json", folder / "runs", folder / "logs"
        self.pretrained, self.evaluated = folder / "pretrained.json", folder / "evaluated.json"
        self.write()

    def write(self) -> None:
        self.file.write_text(json.dumps([run.model_dump(mode="json") for run in self.configs]))

    def pretrain(self) -> None:
        pretrain_runs(self.file, self.runs, self.data, self.logs, self.pretrained)

    def evaluate(self) -> None:
        evaluate_runs(self.file, SETTINGS, self.runs, self.data, self.logs, self.evaluated)

    def folder(self, index: int) -> RunFolder:
        return RunFolder(self.runs / self.configs[index].id)

    def results(self) -> list[tuple[int, str]]:
        """Return when the weights of every run were written, and the hash of its records."""
        folders = [self.folder(index) for index in range(len(self.configs))]
        return [(folder.encoder.stat().st_mtime_ns, sha256_file(folder.records)) for folder in folders]

    def log(self, index: int, stage: str) -> str:
        return (self.logs / f"{self.configs[index].id}.{stage}.log").read_text()
