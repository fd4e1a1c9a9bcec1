"""The JSON schema for editors: it is current, accepts the profiles of the repository, and knows every key."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from care_bench.config import parse_profile, read_yaml
from care_bench.config.schema import profile_json_schema
from care_bench.errors import CareBenchError
from tests.config.editing import edited
from tests.config.test_profile import PROFILE

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(profile_json_schema())


def test_the_schema_file_is_current() -> None:
    path = ROOT / "workflows/schemas/profile.schema.json"
    assert path.read_text() == profile_json_schema(), "write profile_json_schema() to the file"
    described = json.loads(path.read_text())
    assert all("description" in key for key in described["properties"].values())


@pytest.mark.parametrize("name", ["smoke", "methods", "gpu", "paper"])
def test_the_profiles_of_the_repository_fit_the_schema(name: str) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    errors = validator.iter_errors(read_yaml(ROOT / f"workflows/config/{name}.yaml"))
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
    jsonschema.validate(content, SCHEMA)
    wrong = edited(content, f"{place}.unheard_of".removeprefix("."), 1)
    with pytest.raises(jsonschema.ValidationError, match="unheard_of"):
        jsonschema.validate(wrong, SCHEMA)
    with pytest.raises(CareBenchError, match="unheard_of"):
        parse_profile(wrong, "here").runs()
