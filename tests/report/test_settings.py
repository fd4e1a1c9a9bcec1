"""The lines of settings for the rows of a collection."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from care_bench.artifacts import Record
from care_bench.errors import CareBenchError
from care_bench.report.labels import Order
from care_bench.report.settings import measuring_lines, settings_lines

SIMCLR = {"name": "simclr", "temperature": 0.5, "invariance_weight": 1.0}


def record(dataset: str, method: dict[str, Any], steps: int | None = None) -> Record:
    config = json.dumps({"method": method, "training": {"steps": steps}}, sort_keys=True, separators=(",", ":"))
    base = method.get("base")
    return Record(
        profile="p",
        dataset=dataset,
        method=method["name"],
        base=base["name"] if base else None,
        fidelity=method.get("fidelity"),
        variant=method["name"],
        backbone="convnet",
        seed=0,
        protocol="knn-v1",
        protocol_version=1,
        representation="features",
        metric="top1",
        value=90.0,
        unit="%",
        n=1,
        evaluation="{}",
        config=config,
        config_sha256=hashlib.sha256(config.encode()).hexdigest(),
        data_sha256="d" * 64,
        weights_sha256="e" * 64,
        code_version="0.1.0",
        environment={},
        device="cpu",
        duration_s=1.0,
    )


def test_only_data_sets_with_the_same_settings_share_a_line() -> None:
    care = {"name": "care", "splits": 16, "fidelity": "paper", "sharing": "chunk", "base": SIMCLR, "weight": 0.3}
    strong = {**care, "weight": 10.0, "base": {**SIMCLR, "invariance_weight": 0.1}}
    records = [record("a", SIMCLR), record("a", care), record("b", SIMCLR), record("b", care), record("c", strong)]
    care_line = "base.invariance_weight {}, base.temperature 0.5, sharing chunk, splits 16, weight {}."
    assert settings_lines(records, Order()) == [
        "Settings of SimCLR on a and b: invariance_weight 1, temperature 0.5.",
        f"Settings of CARE (SimCLR), paper fidelity on a and b: {care_line.format(1, 0.3)}",
        f"Settings of CARE (SimCLR, invariance weight 0.1), paper fidelity on c: {care_line.format(0.1, 10)}",
    ]


def test_lines_and_data_sets_have_the_order_of_the_profile() -> None:
    records = [
        record(dataset, method) for dataset in "abc" for method in (SIMCLR, {"name": "invariance", "weight": 1.0})
    ]
    order = Order({"c": ("invariance", "simclr"), "a": ("simclr", "invariance")})
    assert settings_lines(records, order) == [
        "Settings of invariance only on c and a and b: weight 1.",
        "Settings of SimCLR on c and a and b: invariance_weight 1, temperature 0.5.",
    ]


def test_a_run_that_was_cut_short_says_so() -> None:
    (line,) = settings_lines([record("a", SIMCLR, steps=2)], Order())
    assert line.endswith("invariance_weight 1, temperature 0.5, cut to 2 steps.")


def test_a_row_with_other_training_settings_names_them() -> None:
    def trained(variant: str, epochs: int) -> Record:
        training = {"steps": None, "epochs": epochs, "optimizer": {"name": "adam"}}
        config = json.dumps({"method": SIMCLR, "training": training}, sort_keys=True, separators=(",", ":"))
        sha256 = hashlib.sha256(config.encode()).hexdigest()
        update = {"variant": variant, "config": config, "config_sha256": sha256}
        return record("a", SIMCLR).model_copy(update=update)

    rows = [trained("simclr", 30), trained("simclr-long", 60), trained("simclr-again", 30)]
    lines = settings_lines(rows, Order())
    assert [line for line in lines if "simclr-long" in line] == [
        "Settings of SimCLR [simclr-long] on a: invariance_weight 1, temperature 0.5, training.epochs 60."
    ]
    assert lines[0] == "Settings on a where a row's line says nothing else: training.epochs 30."
    assert not any("epochs" in line for line in lines[1:] if "simclr-long" not in line)
    assert len(settings_lines(rows[::2], Order())) == 2  # equal settings need no line


def test_both_of_two_different_settings_are_named() -> None:
    def cropped(variant: str, scale: list[float]) -> Record:
        config = json.dumps({"method": SIMCLR, "augmentation": {"crop_scale": scale}, "training": {"steps": None}})
        sha256 = hashlib.sha256(config.encode()).hexdigest()
        return record("a", SIMCLR).model_copy(update={"variant": variant, "config": config, "config_sha256": sha256})

    lines = settings_lines([cropped("weak", [0.9, 1.0]), cropped("simclr", [0.5, 1.0])], Order())
    assert "[0.9, 1.0]" in " ".join(lines)
    assert "[0.5, 1.0]" in " ".join(lines)


def test_the_evaluation_settings_of_a_data_set_are_named_once() -> None:
    def measured(dataset: str, **augmentation: Any) -> Record:
        evaluation = {"augmentation": augmentation, "augmentation_seed": 3, "augmentations": 20, "samples": None}
        return record(dataset, SIMCLR).model_copy(update={"evaluation": json.dumps(evaluation)})

    crop = {"kind": "image", "crop_scale": [0.5, 1.0], "flip_probability": 0.0}
    records = [measured("a", **crop), measured("c", kind="rotation"), measured("b", **crop)]
    words = "under 20 draws (seed 3), the same for every row, whatever it was trained with:"
    assert measuring_lines(records, Order()) == [
        f"Measured on a and b {words} crop_scale [0.5, 1.0], flip_probability 0.",
        f"Measured on c {words} random rotations.",
    ]


@pytest.mark.parametrize("config", ["{}", '{"method":"simclr","training":{"steps":null}}', '{"method":{"name":"a"}}'])
def test_records_without_the_settings_of_a_run_are_one_line(config: str) -> None:
    sha256 = hashlib.sha256(config.encode()).hexdigest()
    changed = record("a", SIMCLR).model_copy(update={"config": config, "config_sha256": sha256})
    with pytest.raises(CareBenchError, match=r"^the config of SimCLR on a is damaged: .*; expected records that care-"):
        settings_lines([changed], Order())


@pytest.mark.parametrize("evaluation", ["{}", '{"augmentation":[]}', '{"augmentation":{"kind":"image"}}'])
def test_records_without_the_settings_of_their_evaluation_are_one_line(evaluation: str) -> None:
    changed = record("a", SIMCLR).model_copy(update={"evaluation": evaluation})
    with pytest.raises(
        CareBenchError, match=r"^the evaluation of a is damaged: .*; expected records that care-bench eva"
    ):
        measuring_lines([changed], Order())
