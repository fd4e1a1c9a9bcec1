"""No setting of a training or an evaluation is lost on its way: every field changes the weights or the records."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from safetensors.torch import load_file

from care_bench.config import EvaluationConfig, RunConfig
from care_bench.config.run import (
    AdamConfig,
    ImageAugmentationConfig,
    LARSConfig,
    OptimizerConfig,
    SGDConfig,
)
from care_bench.data import PreparedDataset
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.run import evaluate
from care_bench.metrics.linear_probe import RECIPES
from care_bench.names import REPRESENTATIONS
from care_bench.runs.build import build_run_encoder
from care_bench.training.pretrain import pretrain
from tests.trained import TRAINED
from tests.wiring.conftest import METHODS, Make
from tests.wiring.other_values import other_values

OPTIMIZERS = (
    AdamConfig(name="adam", learning_rate=0.02, weight_decay=0.1),
    SGDConfig(name="sgd", learning_rate=0.02, momentum=0.5, weight_decay=0.1),
    LARSConfig(name="lars", learning_rate=0.5, momentum=0.5, weight_decay=0.1, trust_coefficient=0.02),
)


@pytest.fixture
def trained(
    images: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[RunConfig], Mapping[str, list[Any]]]:
    """A function that trains a run and returns the weights of its encoder."""
    monkeypatch.setattr("care_bench.training.pretrain.load", lambda *_: images)
    number = iter(range(10**6))

    def weights(config: RunConfig) -> Mapping[str, list[Any]]:
        folder = pretrain(config, tmp_path, tmp_path / f"run{next(number)}")
        return {name: tensor.tolist() for name, tensor in load_file(folder.encoder).items()}

    return weights


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: one.name)
def test_every_setting_of_an_optimizer_changes_the_weights(optimizer: Any, run: Make, trained: Any) -> None:
    def with_(settings: BaseModel) -> Any:
        return trained(run({"name": "simclr"}, optimizer=settings.model_dump(), steps=3))

    before = with_(optimizer)
    for field, value in other_values(optimizer, set()):
        assert with_(optimizer.model_copy(update={field: value})) != before, field


HOW_IT_RUNS = {"devices", "batchnorm", "deterministic", "threads", "checkpoint_every", "snapshot_epochs", "tf32"}
"""Settings of the training that are no part of what is trained, on one CPU."""


def test_every_setting_of_the_training_changes_the_weights(run: Make, trained: Any) -> None:
    before = trained(run({"name": "simclr"}))
    training = run({"name": "simclr"}, steps=5).training
    for field, value in other_values(training, HOW_IT_RUNS | {"optimizer"}):
        changed = {field: training.steps if field == "steps" else value}
        if field == "warmup_steps":
            changed["warmup_epochs"] = 0
        assert trained(run({"name": "simclr"}, **changed)) != before, field
    unchanged = {"batchnorm": "synchronised", "deterministic": False, "checkpoint_every": 1, "snapshot_epochs": (1,)}
    assert trained(run({"name": "simclr"}, **unchanged)) == before


def test_split_batchnorm_changes_the_weights(run: Make, trained: Any, method: Callable[..., dict[str, Any]]) -> None:
    before, split = (trained(run(method("moco_v2", split_batchnorm=groups), steps=2)) for groups in (1, 2))
    assert before != split
    bases = [method("moco_v2", split_batchnorm=groups) for groups in (1, 2)]
    care = [trained(run({**method("care"), "base": base}, steps=2)) for base in bases]
    assert care[0] != care[1]


def test_seed_data_set_and_method_change_the_weights_and_names_do_not(run: Make, trained: Any) -> None:
    config = run({"name": "simclr"})
    before = trained(config)
    assert trained(config.model_copy(update={"profile": "other", "variant": "other"})) == before
    for change in ({"seed": 1}, {"dataset": "tinted_digits"}):
        assert trained(config.model_copy(update=change)) != before
    assert trained(run({"name": "uniformity"})) != before
    assert isinstance(config.augmentation, ImageAugmentationConfig)
    weaker = dataclasses.replace(config.augmentation, jitter=(0.0, 0.0, 0.0, 0.0))
    assert trained(config.model_copy(update={"augmentation": weaker})) != before


def test_seed_and_data_set_decide_the_initial_weights(run: Make, images: PreparedDataset) -> None:
    config = run({"name": "simclr"})
    configs = [config, *(config.model_copy(update=change) for change in ({"seed": 1}, {"dataset": "tinted_digits"}))]
    starts = {str(build_run_encoder(one, images).state_dict()) for one in configs}
    assert len(starts) == len(configs)


def test_every_setting_of_the_evaluation_changes_the_records(
    run: Make, images: PreparedDataset, trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("care_bench.evaluation.run.load", lambda *_: images)
    probes = ("paper-small-v1", "released-small-v1")
    for probe in probes:
        monkeypatch.setitem(RECIPES, probe, dataclasses.replace(RECIPES[probe], epochs=2))
    chosen = {name: PROTOCOLS[name] for name in (*probes, "wahba-v1", "retrieval-v1")}
    monkeypatch.setattr("care_bench.evaluation.run.PROTOCOLS", chosen)
    config = run({"name": "simclr"}, steps=1)
    trained(config)

    def measured(**changed: Any) -> list[Any]:
        settings = EvaluationConfig(**{"augmentations": 2, "classifier_seeds": 1, **changed})
        records = evaluate(tmp_path / "run0", tmp_path, settings, tmp_path / "records.jsonl")
        of_both = 1 + sum(len(PROTOCOLS[name].metrics) for name in ("wahba-v1", "retrieval-v1"))
        assert len(records) == len(REPRESENTATIONS) * of_both + 1
        return [(record.metric, record.value, record.n) for record in records]

    before = measured()
    assert measured() == before
    smaller = dataclasses.replace(config.augmentation, crop_scale=(0.2, 0.3))  # type: ignore[type-var]
    changes = {
        "augmentations": 3,
        "augmentation_seed": 1,
        "classifier_seeds": 2,
        "samples": 10,
        "augmented_probe": True,
        "retrieval_queries": 5,
        "augmentation": smaller,
    }
    assert changes.keys() == EvaluationConfig.model_fields.keys() - {"batch_size"}
    for field, value in changes.items():
        assert measured(**{field: value}) != before, field


def test_settings_here_are_those_of_every_method_and_optimizer() -> None:
    assert METHODS.keys() == set(TRAINED)
    assert {type(optimizer) for optimizer in OPTIMIZERS} == set(get_args(OptimizerConfig))
