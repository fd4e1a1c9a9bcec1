"""A method or backbone of another package that fails in a step of a training is one line that names it and the step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from care_bench import plugins
from care_bench.config import RunConfig
from care_bench.config.backbones import BACKBONE_SETTINGS
from care_bench.config.methods import METHOD_SETTINGS
from care_bench.config.presets import load_preset
from care_bench.errors import CareBenchError
from care_bench.methods import METHODS
from care_bench.training.pretrain import pretrain

Offer = Callable[..., Path]
PARTS = """
from typing import Literal

import torch
from torch import nn

from care_bench.config import BackboneSettings
from care_bench.methods.simclr import SimCLR

class Backbone(BackboneSettings):
    implementation = "breaking_parts:built"
    name: Literal["mine"]
    breaks: bool = False
    told: int = 64

class Flat(nn.Module):
    def __init__(self, settings):
        super().__init__()
        self.layer = nn.Linear(64, 64)
        self.settings = settings
        self.dimension = settings.told

    def forward(self, images):
        return {}["missing"] if self.settings.breaks else self.layer(images.flatten(1))

def built(settings, channels):
    return Flat(settings)

class Own(SimCLR.Settings):
    name: Literal["mine"]
    error: str = ""
    at: int = 1

class Breaking(SimCLR):
    Settings = Own

    @classmethod
    def from_settings(cls, settings, context):
        found = super().from_settings(settings, context)
        found.settings, found.step = settings, 0
        return found

    def terms(self, encoder, features, views):
        self.step += 1
        if self.settings.error and self.step == self.settings.at:
            raise RuntimeError(self.settings.error)
        return super().terms(encoder, features, views)
"""
METHOD = "'mine' of package mine-parts 1.0 (entry point care_bench.methods: breaking_parts:Breaking) "
BACKBONE = "'mine' of package mine-parts 1.0 (entry point care_bench.backbones: breaking_parts:Backbone) "
SIMCLR = {"name": "simclr"}


@pytest.fixture(autouse=True)
def offered(offer: Offer) -> None:
    for registry in (BACKBONE_SETTINGS, METHOD_SETTINGS, METHODS):
        registry.loaded.clear()
    sys.modules.pop("breaking_parts", None)
    points = {
        plugins.METHODS: {"mine": "breaking_parts:Breaking"},
        plugins.BACKBONES: {"mine": "breaking_parts:Backbone"},
    }
    offer("mine-parts", points, {"breaking_parts": PARTS})


def run(method: dict[str, Any], **backbone: Any) -> RunConfig:
    preset = load_preset("digits")
    preset["encoder"]["backbone"] = {"name": "mine", **backbone}
    preset["training"].update(batch_size=32, epochs=1, steps=3, warmup_epochs=0)
    identity = {"profile": "tiny", "dataset": "digits", "variant": "tiny", "seed": 0}
    return RunConfig.parse({**identity, "method": method, **preset}, "tiny run")


@pytest.mark.parametrize(
    ("method", "backbone", "said"),
    [
        ({"error": "two\nlines", "at": 2}, {}, METHOD + "failed in step 2 (RuntimeError: two) at breaking_parts.py:"),
        (
            {"name": "care", "base": {"name": "mine", "error": "no", "at": 3}, "splits": 2, "weight": 1},
            {},
            METHOD + "failed in step 3 (RuntimeError: no) at breaking_parts.py:",
        ),
        (SIMCLR, {"breaks": True}, BACKBONE + "failed (KeyError: 'missing') at breaking_parts.py:"),
        (SIMCLR, {"told": 60}, BACKBONE + "failed (ValueError: it gives (32, 64), expected (32, 60)); repair or "),
    ],
)
def test_it_is_one_line(
    method: dict[str, Any], backbone: dict[str, Any], said: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(CareBenchError) as raised:
        pretrain(run({"name": "mine", **method}, **backbone), data, tmp_path / "run")
    assert str(raised.value).startswith(said), raised.value
    assert "\n" not in str(raised.value)


def test_one_that_works_is_trained(data: Path, tmp_path: Path) -> None:
    assert pretrain(run({"name": "mine"}), data, tmp_path / "run").read_summary() is not None


def test_memory_that_is_short_is_not_its_mistake(data: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        pretrain(run({"name": "mine", "error": "CUDA out of memory"}), data, tmp_path / "run")
