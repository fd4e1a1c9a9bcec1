"""The JSON schema of a profile, with which editors complete and check it."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import models_json_schema

from care_bench.config.backbones import BACKBONE_SETTINGS, BackboneSettings
from care_bench.config.methods import METHOD_SETTINGS, MethodSettings
from care_bench.config.profile import DatasetPlan, Profile
from care_bench.config.run import EncoderConfig, ImageAugmentationConfig, RotationAugmentationConfig, TrainingConfig

Schema = dict[str, Any]


def profile_json_schema() -> str:
    """Return the JSON schema of a profile, as workflows/schemas/profile.schema.json holds it.

    It covers the components of care_bench. Keys that replace those of a preset are optional; unknown ones are errors
    everywhere.
    """
    methods, backbones = list(METHOD_SETTINGS.data.values()), list(dict.fromkeys(BACKBONE_SETTINGS.data.values()))
    parts = [EncoderConfig, ImageAugmentationConfig, RotationAugmentationConfig, TrainingConfig]
    models = [Profile, *parts, *methods, *backbones]
    _, schema = models_json_schema([(model, "validation") for model in models])
    definitions: dict[str, Schema] = schema["$defs"]

    definitions[MethodSettings.__name__] = _one_of(methods)
    definitions[BackboneSettings.__name__] = _one_of(backbones)
    augmentation = _partial(
        {
            **definitions[RotationAugmentationConfig.__name__]["properties"],
            **definitions[ImageAugmentationConfig.__name__]["properties"],
            "kind": {"enum": ["image", "rotation"]},
        }
    )
    replaced = {
        "encoder": _partial(definitions[EncoderConfig.__name__]["properties"]),
        "augmentation": augmentation,
        "training": _partial(definitions[TrainingConfig.__name__]["properties"]),
    }
    dataset = definitions[DatasetPlan.__name__]["properties"]
    for key, part in replaced.items():
        dataset[key] = {**part, "description": dataset[key]["description"]}
    evaluated = definitions["DatasetEvaluation"]["properties"]["augmentation"]
    definitions["DatasetEvaluation"]["properties"]["augmentation"] = {
        **augmentation,
        "description": evaluated["description"],
    }
    dataset["methods"]["additionalProperties"] = {
        "oneOf": [_variant(definitions[method.__name__], replaced, dataset["preset"]) for method in methods]
    }
    return json.dumps({**definitions.pop(Profile.__name__), "$defs": dict(sorted(definitions.items()))}, indent=2) + "\n"


def _one_of(models: list[Any]) -> Schema:
    return {"oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in models]}


def _partial(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _variant(method: Schema, replaced: Schema, preset: Schema) -> Schema:
    """Return the schema of a variant: the keys of its method, and those that replace the preset's."""
    return {**method, "properties": {**method["properties"], "preset": preset, **replaced}}
