"""The JSON schema of a profile, with which editors complete and check it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from care_bench.config.backbones import BACKBONE_SETTINGS, BackboneSettings
from care_bench.config.dataset import DatasetEvaluation, DatasetPlan
from care_bench.config.methods import METHOD_SETTINGS, MethodSettings
from care_bench.config.profile import Profile
from care_bench.config.run import (
    EncoderConfig,
    ImageAugmentationConfig,
    RotationAugmentationConfig,
    RunConfig,
    TrainingConfig,
)
from care_bench.config.schema_sweeps import Schema, swept, used

REPLACED = {"encoder": "EncoderKeys", "augmentation": "AugmentationKeys", "training": "TrainingKeys"}
"""Keys of a data set or variant that replace keys of the preset -> the definition of their content."""


def profile_json_schema() -> str:
    """Return the JSON schema of a profile, as workflows/schemas/profile.schema.json holds it.

    It covers the components of care_bench. Keys that replace those of a preset are optional; unknown ones are errors
    everywhere. In a variant, a setting may have a list of values.
    """
    models: list[type[BaseModel]] = [
        *(Profile, RunConfig),
        *METHOD_SETTINGS.data.values(),
        *dict.fromkeys(BACKBONE_SETTINGS.data.values()),
    ]
    _, schema = models_json_schema([(model, "validation") for model in models])
    definitions: dict[str, Schema] = schema["$defs"]
    del definitions[RunConfig.__name__]  # only its parts are needed
    kinds = (RotationAugmentationConfig, ImageAugmentationConfig)
    drawn = {
        key: part for kind in kinds for key, part in definitions[kind.__name__]["properties"].items() if key != "kind"
    }
    definitions["EncoderKeys"] = _partial(definitions[EncoderConfig.__name__]["properties"])
    definitions["AugmentationKeys"] = _partial({"kind": {"enum": ["image", "rotation"]}, **drawn})
    definitions["TrainingKeys"] = _partial(definitions[TrainingConfig.__name__]["properties"])
    plan, evaluation = (definitions[model.__name__]["properties"] for model in (DatasetPlan, DatasetEvaluation))
    for key, name in REPLACED.items():
        plan[key] = {**_reference(name), "description": plan[key]["description"]}
    evaluation["augmentation"] = {
        **_reference("AugmentationKeys"),
        "description": evaluation["augmentation"]["description"],
    }
    variant_keys = {"preset": plan["preset"], **{key: _reference(name) for key, name in REPLACED.items()}}
    variant = _by_name(
        {name: _with(definitions[entry.__name__], variant_keys) for name, entry in METHOD_SETTINGS.data.items()}
    )
    definitions[MethodSettings.__name__] = _by_name(
        {name: _reference(entry.__name__) for name, entry in METHOD_SETTINGS.data.items()}
    )
    definitions[BackboneSettings.__name__] = _by_name(
        {name: _reference(entry.__name__) for name, entry in BACKBONE_SETTINGS.data.items()}
    )
    plan["methods"]["additionalProperties"] = swept(variant, definitions)
    profile = definitions.pop(Profile.__name__)
    return json.dumps({**profile, "$defs": used(profile, definitions)}, indent=2) + "\n"


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _partial(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _with(entry: Schema, properties: Schema) -> Schema:
    return {**entry, "properties": {**entry["properties"], **properties}}


def _by_name(schemas: Mapping[str, Schema]) -> Schema:
    """Return the schema of settings whose key `name` says which of several schemas they have."""
    return {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"enum": list(schemas)}},
        "allOf": [
            {"if": {"properties": {"name": {"const": name}}}, "then": schema} for name, schema in schemas.items()
        ],
    }
