"""Settings of a run that do not fit together end in one line."""

from __future__ import annotations

from typing import Any

import pytest

from care_bench.config import RunConfig
from care_bench.config.presets import load_preset
from care_bench.errors import CareBenchError

SIMCLR: dict[str, Any] = {"name": "simclr"}
MOCO: dict[str, Any] = {"name": "moco_v2", "queue": 128}


def make(method: dict[str, Any], dataset: str = "digits", **training: Any) -> RunConfig:
    preset = load_preset(dataset)
    preset["training"].update({"batch_size": 64, **training})
    identity = {"profile": "p", "dataset": dataset, "variant": "v", "seed": 0}
    return RunConfig.parse({**identity, "method": method, **preset}, "run")


@pytest.mark.parametrize(
    ("method", "training", "groups"),
    [
        (SIMCLR, {}, 1),
        (SIMCLR, {"batchnorm_rows": 64}, 1),
        (SIMCLR, {"batchnorm_rows": 32}, 2),
        (SIMCLR, {"batchnorm_rows": 16, "devices": 2}, 4),
        ({**MOCO, "split_batchnorm": 8}, {"devices": 4}, 8),
        ({"name": "care", "base": {**MOCO, "split_batchnorm": 8}, "splits": 4, "weight": 1}, {}, 8),
    ],
)
def test_groups_of_batchnorm_come_from_the_training_or_the_method(
    method: dict[str, Any], training: dict[str, Any], groups: int
) -> None:
    assert make(method, **training).batchnorm_groups == groups


def test_augself_does_not_know_rotations_and_other_methods_do() -> None:
    preset = load_preset("digits")
    preset["augmentation"]["rotation_degrees"] = 12.5
    identity = {"profile": "p", "dataset": "digits", "variant": "v", "seed": 0}

    def turning(name: str) -> RunConfig:
        return RunConfig.parse({**identity, "method": {"name": name, "base": SIMCLR}, **preset}, "run")

    assert turning("equimod").augmentation == turning("parameter_prediction").augmentation
    with pytest.raises(CareBenchError) as caught:
        turning("augself")
    line = "augmentation.rotation_degrees is 12.5, expected 0, or the method parameter_prediction"
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_groups_of_negatives_divide_the_batch() -> None:
    simclr = {**SIMCLR, "negatives_per": 24}
    for method in (simclr, {"name": "care", "base": simclr, "splits": 4, "weight": 1}):
        with pytest.raises(CareBenchError) as caught:
            make(method)
        assert "negatives_per = 24 does not divide batch_size = 64; expected a divisor" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "training", "line"),
    [
        (SIMCLR, {"batchnorm_rows": 24}, "batchnorm_rows = 24 does not divide the 64 rows; expected a divisor"),
        (
            SIMCLR,
            {"batchnorm_rows": 64, "devices": 2},
            "batchnorm_rows = 64 does not divide the 32 rows of each of 2 devices; expected a divisor",
        ),
        (
            SIMCLR,
            {"batchnorm_rows": 16, "batchnorm": "synchronised"},
            "batchnorm_rows = 16 and batchnorm = 'synchronised', which takes all rows together; expected one of them",
        ),
        (SIMCLR, {"batchnorm_rows": 1}, "training.batchnorm_rows = 1: Input should be greater than or equal to 2"),
        (
            {**MOCO, "split_batchnorm": 12},
            {},
            "split_batchnorm = 12 at batch_size = 64; expected a divisor that leaves at least two rows a group",
        ),
        (
            {**MOCO, "split_batchnorm": 64},
            {},
            "split_batchnorm = 64 at batch_size = 64; expected a divisor that leaves at least two rows a group",
        ),
        (
            {**MOCO, "split_batchnorm": 8},
            {"batchnorm_rows": 8},
            "split_batchnorm = 8 and training.batchnorm_rows = 8; expected one of them",
        ),
        (
            {**MOCO, "split_batchnorm": 8},
            {"batchnorm": "synchronised", "devices": 2},
            "split_batchnorm = 8 and training.batchnorm = 'synchronised', which takes all rows together; expected one "
            "of them",
        ),
        (
            {**MOCO, "split_batchnorm": 2},
            {"devices": 4},
            "split_batchnorm = 2 on training.devices = 4; expected a multiple of it",
        ),
    ],
)
def test_settings_of_batchnorm_that_do_not_fit_are_one_line(
    method: dict[str, Any], training: dict[str, Any], line: str
) -> None:
    methods = [method]
    if method["name"] == "moco_v2":
        methods.append({"name": "care", "base": method, "splits": 4, "weight": 1})
    for each in methods:
        with pytest.raises(CareBenchError) as caught:
            make(each, **training)
        assert line in str(caught.value)
        assert "\n" not in str(caught.value)
