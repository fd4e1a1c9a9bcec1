"""Code of other packages that fails when it runs, or gives something else, is one line that names the package."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from care_bench import plugins
from care_bench.augmentations import ImageAugmentation
from care_bench.config.backbones import BACKBONE_SETTINGS
from care_bench.config.methods import METHOD_SETTINGS
from care_bench.config.run import EncoderConfig
from care_bench.data import DATASETS, Built, DatasetInfo, Raw, SplitArrays, prepare
from care_bench.data.source import check_layout
from care_bench.errors import CareBenchError
from care_bench.evaluation.measurement import Measurement, Metric, Protocol
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.records import measure
from care_bench.methods import METHODS, build_method
from care_bench.models import build_encoder
from tests.commands import run_care_bench
from tests.evaluation.given import dataset, given

Offer = Callable[..., Path]
SET = """
from types import SimpleNamespace

import numpy as np
from care_bench.data import Built, DatasetInfo, SplitArrays

ABOUT = {"inputs": "i", "source": "s", "licence": "l", "split_rule": "r"}
IMAGES = np.zeros((6, 1, 4, 4), np.uint8)
CLASSES = np.arange(6) % 2

def built(images=IMAGES, classes=CLASSES, **about):
    split = SplitArrays(images, {"class": classes})
    return Built(split, split, **{**ABOUT, **about})

def build(raw):
    return RESULT

INFO = DatasetInfo(name="mine", kind=KIND, title="Mine", how_to_get="here", labels=LABELS, build=build)
"""
DATA = "'mine' of package mine-data 1.0 (entry point care_bench.datasets: failing_data:INFO) "
METRIC = Metric("mine", "1", None)


@pytest.fixture(autouse=True)
def forget() -> None:
    for registry in (DATASETS, PROTOCOLS, BACKBONE_SETTINGS, METHOD_SETTINGS, METHODS):
        registry.loaded.clear()
    for name in ("failing_data", "failing_protocol", "failing_parts"):
        sys.modules.pop(name, None)


def offered(offer: Offer, result: str, kind: str = "'image'", labels: str = "('class',)") -> None:
    code = SET.replace("RESULT", result).replace("KIND", kind).replace("LABELS", labels)
    offer("mine-data", {plugins.DATASETS: {"mine": "failing_data:INFO"}}, {"failing_data": code})


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            "built(np.zeros((6, 1, 4, 4), np.float32))",
            "cannot be used: mine: image inputs are float32 (6, 1, 4, 4), not uint8 with 4 axes",
        ),
        ("{}['missing']", "cannot be built (KeyError: 'missing') at failing_data.py:16"),
        ("(IMAGES, IMAGES)", "cannot be used: mine: its source gives tuple, not care_bench.data.Built"),
        ("raw.broken", "cannot be built (AttributeError: 'Raw' object has no attribute 'broken') at failing_data.py"),
        ("(_ for _ in ()).throw(ValueError('one\\ntwo'))", "cannot be built (ValueError: one) at failing_data.py:16"),
        ("exit('no licence')", "cannot be built (SystemExit: no licence) at failing_data.py:16"),
        ("built(IMAGES.tolist())", "cannot be used: mine: inputs of train are list, not an array of numpy"),
        ("built(classes=list(CLASSES))", "cannot be used: mine: class of train are list, not an array of numpy"),
        ("Built((IMAGES, {}), None, **ABOUT)", "cannot be used: mine: train is not care_bench.data.SplitArrays with a"),
        ("built(licence=None)", "cannot be used: mine: licence is None, not a line of text"),
        (
            "built(classes=np.array(['cat', 'dog'] * 3))",
            "cannot be used: mine: label class is <U3 (6,), not int64 with",
        ),
        (
            "built(classes=CLASSES.astype('f4'))",
            "cannot be used: mine: label class is float32 (6,), not int64 with one",
        ),
        (
            "built(classes=CLASSES[:, None])",
            "cannot be used: mine: label class is int64 (6, 1), not int64 with one axis",
        ),
        ("built(classes=CLASSES - 2)", "cannot be used: mine: label class holds -2, not numbers of at least -1"),
        ("built(classes=CLASSES - 1)", "cannot be used: mine: label class holds -1, not numbers of at least 0"),
        ("built(classes=0 * CLASSES - 1)", "cannot be used: mine: label class holds -1 alone, not a class for some"),
    ],
)
def test_a_data_set_that_does_not_do_what_its_group_expects(
    offer: Offer, tmp_path: Path, result: str, said: str
) -> None:
    offered(offer, result)
    ended = run_care_bench("prepare", "mine", "--data", tmp_path / "data")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"care-bench: {DATA}{said}"), line
    assert line.endswith("; repair or uninstall the package")
    assert not (tmp_path / "data" / "mine").exists()


@pytest.mark.parametrize(
    ("kind", "labels", "said"),
    [
        ("'audio'", "('class',)", "has kind 'audio'; expected one of 'image', 'point_cloud'"),
        ("'image'", "'class'", "has labels 'class'; expected a tuple of names of letters, digits and '_'"),
        ("'image'", "('../class',)", "has labels ('../class',); expected a tuple"),
    ],
)
def test_an_entry_that_is_not_as_the_group_expects(
    offer: Offer, tmp_path: Path, kind: str, labels: str, said: str
) -> None:
    offered(offer, "built()", kind, labels)
    ended = run_care_bench("prepare", "mine", "--data", tmp_path / "data")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"care-bench: {DATA}{said}"), ended.stderr
    assert ended.stderr.count("\n") == 1


def test_one_that_is_right_is_prepared(offer: Offer, tmp_path: Path) -> None:
    offered(offer, "built()")
    assert prepare("mine", tmp_path) == tmp_path / "mine"


def test_a_mistake_in_a_data_set_of_ours_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(raw: Raw) -> Built:
        raise KeyError("ours")

    monkeypatch.setitem(DATASETS, "digits", dataclasses.replace(DATASETS["digits"], build=build))
    with pytest.raises(KeyError, match="ours"):
        prepare("digits", tmp_path)


def test_classes_of_training_samples_may_be_missing() -> None:
    def split(*classes: int) -> SplitArrays:
        return SplitArrays(np.zeros((len(classes), 1, 2, 2), np.uint8), {"class": np.array(classes)})

    info = DatasetInfo("mine", "image", "Mine", "here", ("class",), lambda raw: built)
    built = Built(split(0, -1, 1), split(0, 1), inputs="i", source="s", licence="l", split_rule="r")
    check_layout(info, built)


PROTOCOL = """
from care_bench.evaluation.measurement import Measurement, Metric, Protocol

def skip(dataset):
    return SKIP

def measure(embedded):
    return RESULT

PROTOCOL = Protocol("mine-v1", 1, (Metric("mine", "1", None),), skip, measure)
"""
OTHER = "'mine-v1' of package mine-protocol 1.0 (entry point care_bench.evaluations: failing_protocol:PROTOCOL) "


@pytest.mark.parametrize(
    ("skip", "result", "said"),
    [
        ("None", "{}['missing']", "(KeyError: 'missing') at failing_protocol.py:8"),
        ("None", "embedded.test @ embedded.test", "(RuntimeError: "),
        ("None", "(Measurement('high', 1),)", "(TypeError: must be real number, not str)"),
        (
            "dataset.licence",
            "None",
            "(AttributeError: 'PreparedDataset' object has no attribute 'licence') at failing_",
        ),
        ("None", "exit('stop')", "(SystemExit: stop) at failing_protocol.py:8"),
        ("None", "(_ for _ in ()).throw(RuntimeError('one\\ntwo'))", "(RuntimeError: one) at failing_protocol.py:8"),
    ],
)
def test_a_protocol_that_fails(offer: Offer, skip: str, result: str, said: str) -> None:
    code = PROTOCOL.replace("SKIP", skip).replace("RESULT", result)
    offer("mine-protocol", {plugins.EVALUATIONS: {"mine-v1": "failing_protocol:PROTOCOL"}}, {"failing_protocol": code})
    with pytest.raises(CareBenchError) as raised:
        measure(PROTOCOLS["mine-v1"], given(dataset("any", samples=8), test=torch.ones(8, 3)))
    line = str(raised.value)
    assert line.startswith(f"{OTHER}cannot measure any {said}"), line
    assert line.endswith("; repair or uninstall the package")
    assert "\n" not in line


PARTS = """
from typing import Literal

from torch import nn

from care_bench.config import BackboneSettings
from care_bench.methods.simclr import SimCLR

class Settings(BackboneSettings):
    implementation = "failing_parts:WHERE"
    name: Literal["mine"]

def raises(settings, channels):
    return {}["missing"]

def without_dimension(settings, channels):
    return nn.Flatten()

def no_module(settings, channels):
    found = lambda images: images
    found.dimension = 4
    return found

class Own(SimCLR.Settings):
    name: Literal["mine"]

class Failing(SimCLR):
    Settings = Own

    @classmethod
    def from_settings(cls, settings, context):
        return {}["missing"]

class Lost(Own):
    implementation = "failing_parts:Missing"
"""


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("raises", "cannot be built (KeyError: 'missing') at failing_parts.py:14"),
        ("without_dimension", "cannot be built (AttributeError: 'Flatten' object has no attribute 'dimension')"),
        ("no_module", "cannot be built (TypeError: the function gives function, not a torch.nn.Module)"),
        ("nowhere", "cannot be built (AttributeError: module 'failing_parts' has no attribute 'nowhere')"),
    ],
)
def test_a_backbone_that_fails(offer: Offer, where: str, said: str) -> None:
    points = {plugins.BACKBONES: {"mine": "failing_parts:Settings"}}
    offer("mine-parts", points, {"failing_parts": PARTS.replace("WHERE", where)})
    config = EncoderConfig(backbone=BACKBONE_SETTINGS["mine"](name="mine"))
    with pytest.raises(CareBenchError) as raised:
        build_encoder(config, 3, 0)
    place = "'mine' of package mine-parts 1.0 (entry point care_bench.backbones: failing_parts:Settings) "
    assert str(raised.value).startswith(place + said), raised.value


def test_a_method_that_fails(offer: Offer) -> None:
    points = {plugins.METHODS: {"mine": "failing_parts:Failing"}}
    offer("mine-parts", points, {"failing_parts": PARTS})
    encoder = build_encoder(EncoderConfig(backbone=BACKBONE_SETTINGS["convnet"](name="convnet")), 3, 0)
    augmentation = ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3)
    with pytest.raises(
        CareBenchError, match=r"'mine' of package mine-parts .* cannot be built \(KeyError: 'missing'\) at"
    ):
        build_method(METHOD_SETTINGS["mine"](name="mine"), encoder, augmentation, 0)


def test_a_method_whose_class_is_missing(offer: Offer) -> None:
    points = {plugins.METHODS: {"mine": "failing_parts:Lost"}}
    offer("mine-parts", points, {"failing_parts": PARTS})
    with pytest.raises(
        CareBenchError, match=r"'mine' of package mine-parts .* cannot be used \(AttributeError: module 'f"
    ):
        METHODS["mine"]


def test_a_mistake_in_a_protocol_of_ours_is_not_hidden() -> None:
    def fail(embedded: Any) -> tuple[Measurement, ...]:
        raise KeyError("ours")

    ours = Protocol("knn-v1", 1, (METRIC,), lambda dataset: None, fail)
    with pytest.raises(KeyError, match="ours"):
        measure(ours, given(dataset("any", samples=8)))
