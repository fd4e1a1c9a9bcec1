"""The schema of a variant, in which a list of values may stand where a setting takes one."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
SUFFIX = "Swept"
"""End of the names of definitions in which settings may be swept."""
_PREFIX = "#/$defs/"
_SCALARS = ("number", "integer", "string", "boolean", "null")


def swept(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return a schema that allows lists of values in its properties and in those of the settings in them.

    Args:
        schema: of a variant.
        definitions: by name; copies in which settings may be swept are added.
    """
    found = dict(schema)
    if "$ref" in schema:
        found["$ref"] = _definition(schema["$ref"], definitions)
    if "discriminator" in schema:
        mapping = {
            name: _definition(target, definitions) for name, target in schema["discriminator"]["mapping"].items()
        }
        found["discriminator"] = {**schema["discriminator"], "mapping": mapping}
    if "then" in schema:
        found["then"] = swept(schema["then"], definitions)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            found[key] = [swept(one, definitions) for one in schema[key]]
    if "properties" in schema:
        found["properties"] = {key: _property(one, definitions) for key, one in schema["properties"].items()}
    return found


def used(schema: Any, definitions: dict[str, Schema]) -> dict[str, Schema]:
    """Return the definitions that a schema refers to, directly or through others, sorted by name."""
    found: dict[str, Schema] = {}
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else []
        name = one.get("$ref", "").removeprefix(_PREFIX) if isinstance(one, dict) else ""
        if name and name not in found:
            found[name] = definitions[name]
            waiting.append(definitions[name])
    return dict(sorted(found.items()))


def _definition(reference: str, definitions: dict[str, Schema]) -> str:
    name = reference.removeprefix(_PREFIX)
    if name + SUFFIX not in definitions:
        definitions[name + SUFFIX] = {}  # so that a definition may refer to itself
        definitions[name + SUFFIX] = swept(definitions[name], definitions)
    return reference + SUFFIX


def _property(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    if not _takes_one(schema):
        return swept(schema, definitions)
    about: Schema = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    one = {key: value for key, value in schema.items() if key not in about}
    return {**about, "anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _takes_one(schema: Schema) -> bool:
    """Say whether a schema is that of one value to choose; a method's own name is none."""
    if "const" in schema or "allOf" in schema or "$ref" in schema:
        return False
    if "anyOf" in schema:
        return all(map(_takes_one, schema["anyOf"]))
    return schema.get("type") in _SCALARS
