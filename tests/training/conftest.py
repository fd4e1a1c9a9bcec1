"""Tiny runs on digits and proteins, and a power cut after any step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from care_bench.config import RunConfig
from care_bench.config.presets import load_preset
from care_bench.runs.folder import RunFolder
from care_bench.training import pretrain as pretrain_module
from care_bench.training.pretrain import pretrain

ROOT = Path(__file__).parents[2]
Make = Callable[..., RunConfig]

SMALL: dict[str, dict[str, Any]] = {
    "moco_v2": {"queue": 64, "momentum": 0.9, "split_batchnorm": 4},
    "byol": {"predictor_hidden": 8, "momentum": 0.9},
    "equimod": {"base": {"name": "simclr"}, "projector_hidden": [8], "projector_output": 4},
    "augself": {"base": {"name": "simclr"}, "predictor_hidden": [8]},
    "parameter_prediction": {"base": {"name": "simclr"}, "predictor_hidden": [8]},
    "care": {"base": {"name": "simclr"}, "splits": 4, "weight": 0.3},
    "equivariance": {"splits": 4},
    "uniformity_equivariance": {"splits": 4, "weight": 0.3},
}
"""Method -> small settings; the other methods need none."""


@pytest.fixture(scope="session")
def tiny() -> Make:
    """A function that makes a run of a few quick steps from settings of the method and of training."""

    def make(
        method: dict[str, Any] | None = None, dataset: str = "digits", seed: int = 0, **training: Any
    ) -> RunConfig:
        preset = load_preset(dataset)
        preset["encoder"]["backbone"]["width"] = 4
        short = {"batch_size": 32, "epochs": 1, "steps": 7, "checkpoint_every": 3, "warmup_epochs": 0}
        preset["training"].update({**short, **training})
        identity = {"profile": "tiny", "dataset": dataset, "variant": "tiny", "seed": seed}
        return RunConfig.parse(
            {**identity, "method": method or {"name": "care", **SMALL["care"]}, **preset}, "tiny run"
        )

    return make


@pytest.fixture(scope="session")
def small() -> Callable[..., dict[str, Any]]:
    """A function that returns small settings of a method, and of its base."""

    def make(name: str, base: str | None = None) -> dict[str, Any]:
        wrapped = {"base": {"name": base, **SMALL.get(base, {})}} if base else {}
        return {"name": name, **SMALL.get(name, {}), **wrapped}

    return make


class PowerCutError(Exception):
    """Stands for anything that ends the process between two steps."""


@pytest.fixture
def cut(data: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[RunConfig, Path, int], RunFolder]:
    """A function that trains a run until the power is cut after a step, and returns its folder."""

    def train(config: RunConfig, out: Path, last: int) -> RunFolder:
        def step_done(step: int, loss: float) -> None:
            if step == last:
                raise PowerCutError

        @contextmanager
        def progress(title: str, start: int, total: int, batch_size: int) -> Iterator[Callable[[int, float], None]]:
            yield step_done

        with monkeypatch.context() as patch:
            patch.setattr(pretrain_module, "training_progress", progress)
            with pytest.raises(PowerCutError):
                pretrain(config, data, out)
        return RunFolder(out)

    return train
