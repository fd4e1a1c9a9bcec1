"""A small data set of images and one of point clouds, in memory, and small runs of every method on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from care_bench.config import RunConfig
from care_bench.config.presets import load_preset
from care_bench.data import PreparedDataset, Split
from care_bench.names import Kind
from care_bench.runs.folder import RunFolder
from care_bench.training.session import Session

Make = Callable[..., RunConfig]
Open = Callable[..., Session]

BATCH, SAMPLES = 8, 19
"""Two steps an epoch, which leaves three samples out."""
SIMCLR = {"name": "simclr"}
METHODS: dict[str, dict[str, Any]] = {
    "simclr": {"invariance_weight": 0.5},
    "moco_v2": {"queue": 32, "momentum": 0.8},
    "byol": {"predictor_hidden": 5, "momentum": 0.8},
    "barlow_twins": {"off_diagonal_weight": 0.1},
    "equimod": {"base": SIMCLR, "projector_hidden": [6], "projector_output": 4, "weight": 0.5},
    "augself": {"base": SIMCLR, "predictor_hidden": [6], "crop_weight": 0.5, "colour_weight": 0.25},
    "parameter_prediction": {"base": SIMCLR, "predictor_hidden": [6], "weight": 0.5},
    "care": {"base": SIMCLR, "splits": 2, "weight": 3.0},
    "invariance": {},
    "uniformity": {},
    "equivariance": {"splits": 4},
    "uniformity_equivariance": {"splits": 2, "weight": 3.0},
}
"""Method -> small settings."""


@pytest.fixture(scope="session")
def method() -> Callable[..., dict[str, Any]]:
    """A function that returns small settings of a method, around another one where ``base`` names it."""

    def settings(name: str, base: str | None = None, **more: Any) -> dict[str, Any]:
        wrapped = {"base": settings(base)} if base else {}
        return {"name": name, **METHODS.get(name, {}), **wrapped, **more}

    return settings


@pytest.fixture(scope="session")
def images() -> PreparedDataset:
    """Random images of 8x8 pixels in three classes, under the name of the digits."""
    draw = np.random.default_rng(0)

    def split(n: int) -> Split:
        inputs = draw.integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)
        return Split(inputs, {"class": draw.permutation(np.arange(n) % 3)})

    return in_memory("digits", "image", split(SAMPLES), split(11), [0.5], [0.25])


@pytest.fixture(scope="session")
def clouds() -> PreparedDataset:
    """Random clouds of ten points, under the name of the proteins."""
    draw = np.random.default_rng(1)

    def split(n: int) -> Split:
        return Split(draw.standard_normal((n, 10, 3)).astype(np.float32), {})

    return in_memory("proteins", "point_cloud", split(SAMPLES), split(11), [], [])


def in_memory(name: str, kind: Kind, train: Split, test: Split, mean: list[float], std: list[float]) -> PreparedDataset:
    return PreparedDataset(name, kind, {}, train, test, "0" * 64, mean, std)


@pytest.fixture(scope="session")
def run() -> Make:
    """A function that makes a run of three epochs, the first one of warm-up, with plain SGD."""

    def make(method: dict[str, Any], dataset: str = "digits", seed: int = 0, **training: Any) -> RunConfig:
        preset = load_preset(dataset)
        preset["encoder"] = {
            "backbone": {**preset["encoder"]["backbone"], "width": 3},
            "projector": {"hidden": [6], "output": 4},
        }
        sgd = {"name": "sgd", "learning_rate": 0.02, "momentum": 0.0, "weight_decay": 0.0}
        preset["training"] = {"epochs": 3, "batch_size": BATCH, "optimizer": sgd, "warmup_epochs": 1, **training}
        identity = {"profile": "wiring", "dataset": dataset, "variant": "mine", "seed": seed}
        return RunConfig.parse({**identity, "method": method, **preset}, "wiring run")

    return make


@pytest.fixture
def opened(images: PreparedDataset, clouds: PreparedDataset, tmp_path: Path) -> Open:
    """A function that opens the session of a run before its first step."""
    number = iter(range(10**6))

    def make(config: RunConfig) -> Session:
        dataset = {"digits": images, "proteins": clouds}[config.dataset]
        session = Session.open(config, dataset, RunFolder(tmp_path / f"session{next(number)}"))
        with session.log:
            return session

    return make
