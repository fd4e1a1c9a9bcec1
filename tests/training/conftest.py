"""A prepared store and tiny runs on the digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from care_bench.config import RunConfig
from care_bench.config.profile import load_preset
from care_bench.data import prepare

Make = Callable[..., RunConfig]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    prepare("digits", root)
    prepare("proteins", root)
    return root


@pytest.fixture(scope="session")
def tiny() -> Make:
    """A function of method settings and training keys that makes a run of a few quick steps."""

    def make(
        method: dict[str, Any] | None = None, dataset: str = "digits", seed: int = 0, **training: Any
    ) -> RunConfig:
        preset = load_preset(dataset)
        preset["encoder"]["backbone"]["width"] = 4
        short = {"batch_size": 32, "epochs": 1, "steps": 7, "checkpoint_every": 3, "warmup_epochs": 0}
        preset["training"].update({**short, **training})
        care = {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 0.3}
        identity = {"profile": "tiny", "dataset": dataset, "variant": "row", "seed": seed}
        return RunConfig.parse({**identity, "method": method or care, **preset}, "tiny run")

    return make
