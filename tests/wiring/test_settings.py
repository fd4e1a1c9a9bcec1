"""No setting is lost on its way: every field of every settings class, found by introspection, has an effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from safetensors.torch import load_file

from care_bench.augmentations import draw
from care_bench.augmentations.distribution import ImageDistribution
from care_bench.config import BACKBONE_SETTINGS, METHOD_SETTINGS, EvaluationConfig, MethodSettings, RunConfig
from care_bench.config.run import (
    AdamConfig,
    EncoderConfig,
    ImageAugmentationConfig,
    LARSConfig,
    OptimizerConfig,
    ProjectorConfig,
    SGDConfig,
)
from care_bench.data import PreparedDataset, Split
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.run import evaluate
from care_bench.methods import View, build_method
from care_bench.metrics.linear_probe import RECIPES
from care_bench.models import build_encoder
from care_bench.names import REPRESENTATIONS
from care_bench.runs.build import build_augmentation, build_run_encoder
from care_bench.training.pretrain import pretrain
from tests.trained import TRAINED
from tests.wiring.conftest import BATCH, METHODS, Make, in_memory

OPTIMIZERS = (
    AdamConfig(name="adam", learning_rate=0.02, weight_decay=0.1),
    SGDConfig(name="sgd", learning_rate=0.02, momentum=0.5, weight_decay=0.1),
    LARSConfig(name="lars", learning_rate=0.5, momentum=0.5, weight_decay=0.1, trust_coefficient=0.02),
)


OPTIONAL = {"negatives_per": 4, "batchnorm_rows": 4, "split_batchnorm": 2, "warmup_steps": 1, "samples": 16}
"""Another value of settings that are off by default."""


def another(value: Any, annotation: Any) -> Any:
    """Return another valid value of a setting."""
    choices = [
        choice
        for part in (annotation, *get_args(annotation))
        if get_origin(part) is Literal
        for choice in get_args(part)
    ]
    match value:
        case str():
            return next(choice for choice in reversed(choices) if choice != value)
        case bool():
            return not value
        case int():
            return value // 2
        case float():
            return 0.4 * value + 0.01
        case tuple():
            return tuple(another(number, None) for number in value)
    raise AssertionError(f"no other value of {value!r} is known; add one here")


def other_values(settings: BaseModel, left_out: set[str]) -> list[tuple[str, Any]]:
    """Return every field with another value than the settings have."""
    fields = type(settings).model_fields
    assert left_out <= fields.keys() | {"name"}
    names = fields.keys() - left_out - {"name"}
    return [
        (name, OPTIONAL.get(name) or another(getattr(settings, name), fields[name].annotation))
        for name in sorted(names)
    ]


IMAGES = in_memory(
    "digits",
    "image",
    *(Split(np.random.default_rng(i).integers(0, 256, (12, 3, 20, 20), dtype=np.uint8), {}) for i in range(2)),
    mean=[0.5] * 3,
    std=[0.25] * 3,
)
AUGMENTATION = ImageAugmentationConfig(kind="image", size=8)
ENCODER = EncoderConfig.parse(
    {"backbone": {"name": "convnet", "width": 3}, "projector": {"hidden": [6], "output": 4}}, "tests"
)


def another_in(name: str) -> Any:
    """Return another value of a field of the image augmentation."""
    if name == "blur_kernel":
        return 5
    if name == "rotation_degrees":
        return 30.0
    if name == "test_view":
        return "centre-crop"
    return another(getattr(AUGMENTATION, name), None)


@pytest.mark.parametrize(
    "name", [field.name for field in dataclasses.fields(ImageAugmentationConfig) if field.name != "kind"]
)
def test_every_key_of_an_augmentation_reaches_the_views(name: str) -> None:
    def seen(settings: ImageAugmentationConfig) -> tuple[Any, list[torch.Tensor]]:
        built = build_augmentation(settings, IMAGES, "here")
        drawn = built.sample(12, torch.Generator().manual_seed(0))
        samples = torch.from_numpy(np.array(IMAGES.train.inputs))
        return built, [built.apply(samples, drawn), built.identity(samples)]

    changed = dataclasses.replace(AUGMENTATION, **{name: another_in(name)})
    assert changed != AUGMENTATION
    (_, before), (built, after) = seen(AUGMENTATION), seen(changed)
    assert not all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(before, after, strict=True))
    for field in dataclasses.fields(ImageDistribution):
        assert getattr(built, field.name) == getattr(changed, field.name), field.name


METHOD_FIELDS = [
    (name, field)
    for name, entry in METHOD_SETTINGS.data.items()
    for field in sorted(entry.model_fields.keys() - {"name", "split_batchnorm"})  # of a whole run: see below
]


@pytest.mark.parametrize(("name", "field"), METHOD_FIELDS)
def test_every_setting_of_a_method_changes_it(name: str, field: str, method: Callable[..., dict[str, Any]]) -> None:
    own = method(name)
    settings = METHOD_SETTINGS[name].parse(own, "tests")
    other = (
        METHOD_SETTINGS["barlow_twins"].parse(method("barlow_twins"), "tests")
        if field == "base"
        else OPTIONAL.get(field) or another(getattr(settings, field), type(settings).model_fields[field].annotation)
    )
    assert fingerprint(settings.model_copy(update={field: other})) != fingerprint_of(settings)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_the_same_every_time(name: str, method: Callable[..., dict[str, Any]]) -> None:
    settings = METHOD_SETTINGS[name].parse(method(name), "tests")
    assert fingerprint(settings) == fingerprint_of(settings)


KNOWN: dict[str, list[str]] = {}


def fingerprint_of(settings: MethodSettings) -> list[str]:
    """Return the fingerprint of a method's own small settings, computed once."""
    if settings.name not in KNOWN:
        KNOWN[settings.name] = fingerprint(settings)
    return KNOWN[settings.name]


def fingerprint(settings: MethodSettings) -> list[str]:
    """Describe a method: weights of terms, views, initial state, terms, and the state after a step."""
    encoder = build_encoder(ENCODER, 3, 0)
    augmentation = build_augmentation(AUGMENTATION, IMAGES, "here")
    objective = build_method(settings, encoder, augmentation, 0)
    start = repr(objective.state_dict())
    samples = torch.from_numpy(np.array(IMAGES.train.inputs[:BATCH]))
    views = []
    for number, draws in enumerate(objective.draws(BATCH)):
        drawn = draw(augmentation, BATCH, draws or BATCH, torch.Generator().manual_seed(number))
        views.append(View(augmentation.apply(samples, drawn), drawn))
    terms = {key: term.item() for key, term in objective(encoder, views).items()}
    with torch.no_grad():
        for weight in encoder.parameters():
            weight += 1
    objective.after_step(encoder, 1, 6)
    return [repr(part) for part in (objective.weights, objective.draws(BATCH), start, terms, objective.state_dict())]


def test_the_settings_of_a_wrapped_method_reach_it(method: Callable[..., dict[str, Any]]) -> None:
    for name, entry in METHOD_SETTINGS.data.items():
        if "base" in entry.model_fields:
            base = {"name": "simclr", "temperature": 0.123, "invariance_weight": 0.456}
            settings = entry.parse({**method(name), "base": base}, "tests")
            objective: Any = build_method(
                settings, build_encoder(ENCODER, 3, 0), build_augmentation(AUGMENTATION, IMAGES, "here"), 0
            )
            assert objective.base.temperature == 0.123
            assert objective.weights["invariance"] == 0.456


@pytest.mark.parametrize("name", sorted(BACKBONE_SETTINGS.data))
def test_every_setting_of_an_encoder_changes_it(name: str) -> None:
    def layers(encoder: EncoderConfig) -> str:
        with torch.device("meta"):
            return repr(build_encoder(encoder, 3, 0))

    backbone = BACKBONE_SETTINGS[name].parse({"name": name}, "tests")
    before = layers(EncoderConfig(backbone=backbone))
    for field, value in other_values(backbone, set()):
        assert layers(EncoderConfig(backbone=backbone.model_copy(update={field: value}))) != before, field
    for field, value in other_values(ProjectorConfig(), set()):
        changed = ProjectorConfig().model_copy(update={field: value})
        assert layers(EncoderConfig(backbone=backbone, projector=changed)) != before, field


@pytest.fixture
def trained(
    images: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[RunConfig], Mapping[str, list[Any]]]:
    """A function that trains a run and returns the weights of its encoder."""
    monkeypatch.setattr("care_bench.training.pretrain.load", lambda name, root: images)
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
    monkeypatch.setattr("care_bench.evaluation.run.load", lambda name, root: images)
    probes = ("paper-small-v1", "released-small-v1")
    for probe in probes:
        monkeypatch.setitem(RECIPES, probe, dataclasses.replace(RECIPES[probe], epochs=2))
    chosen = {name: PROTOCOLS[name] for name in (*probes, "wahba-v1")}
    monkeypatch.setattr("care_bench.evaluation.run.PROTOCOLS", chosen)
    config = run({"name": "simclr"}, steps=1)
    trained(config)

    def measured(**changed: Any) -> list[Any]:
        settings = EvaluationConfig(**{"augmentations": 2, "classifier_seeds": 1, **changed})
        records = evaluate(tmp_path / "run0", tmp_path, settings, tmp_path / "records.jsonl")
        assert len(records) == len(REPRESENTATIONS) * (1 + len(PROTOCOLS["wahba-v1"].metrics)) + 1
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
        "augmentation": smaller,
    }
    assert changes.keys() == EvaluationConfig.model_fields.keys() - {"batch_size"}
    for field, value in changes.items():
        assert measured(**{field: value}) != before, field


def test_settings_here_are_those_of_every_method_and_optimizer() -> None:
    assert METHODS.keys() == set(TRAINED)
    assert {type(optimizer) for optimizer in OPTIMIZERS} == set(get_args(OptimizerConfig))
