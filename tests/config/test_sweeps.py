"""Lists of values in a profile, which are sweeps of named rows."""

from __future__ import annotations

from typing import Any

import pytest

from care_bench.config import parse_profile
from care_bench.errors import CareBenchError
from tests.config.editing import edited
from tests.config.test_profile import PROFILE

CARE = PROFILE["datasets"]["digits"]["methods"]["care"]


def rows(**changes: Any) -> dict[str, Any]:
    """Return the runs of the first seed of a profile with one variant of CARE, by variant."""
    content = edited(PROFILE, "datasets.digits.methods", {"care": {**CARE, **changes}, "simclr": {"name": "simclr"}})
    return {
        run.variant: run for run in parse_profile(content, "here").runs() if run.dataset == "digits" and run.seed == 0
    }


def test_a_list_of_values_is_a_row_of_each_in_its_order_and_place() -> None:
    found = rows(weight=[10, 0.1, 1.0, 1e-6])
    assert list(found) == ["care-weight-10", "care-weight-0.1", "care-weight-1", "care-weight-1e-06", "simclr"]
    assert [run.method.weight for name, run in found.items() if name != "simclr"] == [10.0, 0.1, 1.0, 1e-6]
    assert {run.method.splits for name, run in found.items() if name != "simclr"} == {16}


def test_several_lists_are_every_combination() -> None:
    found = rows(weight=[1, 3], sharing=["chunk", "batch"])
    assert list(found)[:4] == [
        "care-weight-1-sharing-chunk",
        "care-weight-1-sharing-batch",
        "care-weight-3-sharing-chunk",
        "care-weight-3-sharing-batch",
    ]
    assert (
        found["care-weight-3-sharing-batch"].method.weight,
        found["care-weight-3-sharing-batch"].method.sharing,
    ) == (
        3.0,
        "batch",
    )


@pytest.mark.parametrize(
    ("changes", "names", "read"),
    [
        ({"base": {"name": "simclr", "temperature": [0.1, 0.5]}}, ["care-temperature-0.1", "care-temperature-0.5"],
         lambda run: run.method.base.temperature),
        ({"training": {"epochs": [2, 4]}}, ["care-epochs-2", "care-epochs-4"], lambda run: run.training.epochs),
        ({"training": {"optimizer": {"name": "sgd", "learning_rate": [0.1, 1]}}},
         ["care-learning_rate-0.1", "care-learning_rate-1"], lambda run: run.training.optimizer.learning_rate),
        ({"encoder": {"projector": {"output": [2, 64]}}}, ["care-output-2", "care-output-64"],
         lambda run: run.encoder.projector.output),
        ({"encoder": {"backbone": {"name": "convnet", "width": [8, 16]}}}, ["care-width-8", "care-width-16"],
         lambda run: run.encoder.backbone.width),
        ({"augmentation": {"flip_probability": [0, 0.5]}}, ["care-flip_probability-0", "care-flip_probability-0.5"],
         lambda run: run.augmentation.flip_probability),
        ({"preset": ["digits", "cifar"]}, ["care-preset-digits", "care-preset-cifar"],
         lambda run: run.augmentation.size),
    ],
)  # fmt: skip
def test_every_setting_that_takes_one_value_can_be_swept(changes: dict[str, Any], names: list[str], read: Any) -> None:
    found = rows(**changes)
    assert list(found)[:2] == names
    assert read(found[names[0]]) != read(found[names[1]])


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": {"projector": {"hidden": [32, 64]}}},
        {"augmentation": {"crop_scale": [0.2, 1.0], "jitter": [0.4, 0.4, 0.4, 0.1]}},
        {"training": {"snapshot_epochs": [1, 2]}},
    ],
)
def test_a_list_stays_where_the_setting_is_one(changes: dict[str, Any]) -> None:
    assert list(rows(**changes)) == ["care", "simclr"]


def test_the_same_key_is_a_list_of_one_method_and_a_number_of_another() -> None:
    """`predictor_hidden`: the widths of AugSelf's heads, and the one width of BYOL's predictor."""
    content = edited(
        PROFILE,
        "datasets.digits.methods",
        {
            "augself": {"name": "augself", "base": {"name": "simclr"}, "predictor_hidden": [64, 64]},
            "byol": {"name": "byol", "predictor_hidden": [64, 128]},
        },
    )
    runs = {run.variant: run.method for run in parse_profile(content, "here").runs() if run.dataset == "digits"}
    assert list(runs) == ["augself", "byol-predictor_hidden-64", "byol-predictor_hidden-128"]
    assert runs["augself"].predictor_hidden == (64, 64)


def test_a_swept_profile_is_kept_as_its_rows() -> None:
    parsed = parse_profile(edited(PROFILE, "datasets.digits.methods.care.weight", [1, 3]), "here")
    assert list(parsed.datasets["digits"].methods) == ["simclr", "care-weight-1", "care-weight-3"]
    assert parse_profile(parsed.model_dump(), "again") == parsed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": []}, r"care.weight = \[\]; expected one value, or a list of numbers or names"),
        ({"weight": [[1], [2]]}, r"care.weight = \[\[1\], \[2\]\]; expected one value"),
        ({"base": [{"name": "simclr"}]}, r"care.base = \[.*'simclr'\}\]; expected one value"),
        (
            {"weight": list(range(50)), "splits": list(range(50))},
            "care: its lists stand for 2500 rows; expected at most",
        ),
        ({"weight": [1, 1.0]}, "its row 'care-weight-1' is there twice"),
        ({"weight": [1, "much"]}, "variant 'care-weight-much'.*weight = 'much'"),
        ({"wieght": [1, 2]}, "unknown key 'wieght'|wieght.*did you mean 'weight'"),
        ({"weight": [1, -1]}, "variant 'care-weight--1'.*weight = -1"),
        ({"sharing": ["chunk", "a/b"]}, "variant 'care-sharing-a/b' cannot be a folder"),
    ],
)
def test_a_wrong_list_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CareBenchError, match=message) as error:
        rows(**changes)
    assert "\n" not in str(error.value)


def test_a_row_of_a_sweep_may_not_have_the_name_of_another_row() -> None:
    methods = {"care": {**CARE, "weight": [1, 3]}, "care-weight-3": CARE}
    for order in (methods, dict(reversed(methods.items()))):
        with pytest.raises(CareBenchError, match="'care-weight-3' is there twice"):
            parse_profile(edited(PROFILE, "datasets.digits.methods", order), "here")
