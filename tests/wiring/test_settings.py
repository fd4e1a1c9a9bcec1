"""No setting is lost on its way: every field of every settings class, found by introspection, has an effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from care_bench.augmentations import draw
from care_bench.augmentations.distribution import ImageDistribution
from care_bench.config import BACKBONE_SETTINGS, METHOD_SETTINGS, MethodSettings
from care_bench.config.run import (
    EncoderConfig,
    ImageAugmentationConfig,
    ProjectorConfig,
)
from care_bench.data import Split
from care_bench.methods import View, build_method
from care_bench.models import build_encoder
from care_bench.runs.build import build_augmentation
from tests.wiring.conftest import BATCH, METHODS, in_memory
from tests.wiring.other_values import OPTIONAL, another, other_values

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
