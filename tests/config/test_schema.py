"""The JSON schema for editors: it is current, accepts the profiles of the repository, and knows every key."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from jsonschema.exceptions import best_match

from care_bench.config import parse_profile, read_yaml
from care_bench.config.schema import profile_json_schema
from care_bench.errors import CareBenchError
from tests.config.editing import edited
from tests.config.test_profile import PROFILE

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(profile_json_schema())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def validate(content: object) -> None:
    """Raise the error that tells most of what is wrong; the schema itself is checked once, below."""
    if error := best_match(VALIDATOR.iter_errors(content)):
        raise error


def test_the_schema_file_is_current() -> None:
    path = ROOT / "workflows/schemas/profile.schema.json"
    assert path.read_text() == profile_json_schema(), "write profile_json_schema() to the file"
    VALIDATOR.check_schema(SCHEMA)
    described = json.loads(path.read_text())
    assert all("description" in key for key in described["properties"].values())


@pytest.mark.parametrize("name", ["smoke", "methods", "gpu", "paper"])
def test_the_profiles_of_the_repository_fit_the_schema(name: str) -> None:
    errors = VALIDATOR.iter_errors(read_yaml(ROOT / f"workflows/config/{name}.yaml"))
    assert [error.message for error in errors] == []


@pytest.mark.parametrize(
    "place",
    [
        *("", "evaluation", "datasets.digits", "datasets.digits.encoder", "datasets.digits.training"),
        *("datasets.digits.augmentation", "datasets.digits.evaluation", "datasets.digits.evaluation.augmentation"),
        *("datasets.digits.methods.simclr", "datasets.digits.methods.care.base"),
        *("datasets.digits.methods.simclr.training", "datasets.digits.methods.simclr.encoder"),
        "datasets.digits.encoder.backbone",
    ],
)
def test_the_schema_refuses_an_unknown_key_wherever_the_profile_does(place: str) -> None:
    content = edited(PROFILE, "datasets.digits.encoder.backbone", {"name": "convnet"})
    for part in ("methods.simclr.training", "methods.simclr.encoder", "evaluation.augmentation", "augmentation"):
        content = edited(content, f"datasets.digits.{part}", {})
    content = edited(content, "evaluation", {})
    validate(content)
    wrong = edited(content, f"{place}.unheard_of".removeprefix("."), 1)
    with pytest.raises(jsonschema.ValidationError, match="unheard_of"):
        validate(wrong)
    with pytest.raises(CareBenchError, match="unheard_of"):
        parse_profile(wrong, "here").runs()


@pytest.mark.parametrize(
    ("place", "values", "rows"),
    [
        ("weight", [0.1, 1, 10], 3),
        ("base.temperature", [0.1, 0.5], 2),
        ("encoder", {"projector": {"output": [2, 64], "hidden": [32]}}, 2),
        ("encoder", {"backbone": {"name": "convnet", "width": [8, 16]}}, 2),
        ("training", {"epochs": [2, 4], "optimizer": {"name": "sgd", "learning_rate": [0.1, 1]}}, 4),
        ("augmentation", {"flip_probability": [0, 0.5]}, 2),
    ],
)
def test_the_schema_takes_a_list_of_values_in_a_variant(place: str, values: object, rows: int) -> None:
    content = edited(PROFILE, f"datasets.digits.methods.care.{place}", values)
    validate(content)
    before, swept = ({run.variant for run in parse_profile(one, "here").runs()} for one in (PROFILE, content))
    assert len(swept) == len(before) - 1 + rows


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("methods.care.weight", []),
        ("methods.care.weight", [0.1, "much"]),
        ("methods.care.base.temperature", [0.1, "much"]),
        ("methods.care.name", ["care"]),
        ("training.epochs", [2, 4]),
        ("encoder.projector", {"output": [2, 64]}),
        ("encoder.backbone", {"name": "convnet", "width": [8, 16]}),
    ],
)
def test_the_schema_refuses_other_lists_as_the_profile_does(place: str, value: object) -> None:
    base = edited(edited(PROFILE, "datasets.digits.encoder", {}), "datasets.digits.training", {})
    content = edited(base, f"datasets.digits.{place}", value)
    with pytest.raises(jsonschema.ValidationError):
        validate(content)
    with pytest.raises(CareBenchError):
        parse_profile(content, "here").runs()
