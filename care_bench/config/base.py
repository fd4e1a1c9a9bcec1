"""Strict settings, and validation errors as one line that names the key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from care_bench.errors import CareBenchError, unknown
from care_bench.files import canonical_json, sha256_bytes

EXPECTED = {
    "bool_type": "expected true or false",
    "dict_type": "expected keys with their values",
    "float_type": "expected a number",
    "int_type": "expected a whole number without a decimal point",
    "list_type": "expected a list",
    "model_attributes_type": "expected keys with their values",
    "dataclass_type": "expected keys with their values",
    "model_type": "expected keys with their values",
    "string_type": "expected a string",
    "tuple_type": "expected a list",
}
"""Type of a pydantic error -> what a file should have there."""
UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
"""Types of the pydantic error for an unknown key, of settings and of dataclasses."""
CHOICE = ("union_tag_not_found", "union_tag_invalid")
"""Types of the pydantic error for a key, missing or wrong, that says which other keys there are, such as `kind`."""
SHOWN = 60
"""Most characters of a wrong list or mapping that an error shows."""


def spelt(value: Any) -> str:
    """Return a wrong value as YAML spells it: `true` and `null`, not Python's `True` and `None`."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{spelt(key)}: {spelt(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(spelt, value)) + "]"
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)


class Settings(BaseModel):
    """Settings that accept no unknown key, convert no value, and do not change once made.

    Strict as JSON: a number is not a string, true is not a number and 1.0 is not a whole number. But 1 is accepted for
    1.0, a list for a tuple, and keys with values for settings.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @classmethod
    def parse(cls, content: Mapping[str, Any], where: str) -> Self:
        """Validate plain data.

        Args:
            content: keys and values as JSON has them.
            where: the file or place they come from, named in the error.

        Raises:
            CareBenchError: one line naming the first wrong key, its value and what was expected.
        """
        try:
            return cls.model_validate_json(json.dumps(content))
        except ValidationError as error:
            raise CareBenchError(f"{where}: {_first_line(error, cls, content)}") from None
        except (TypeError, ValueError, RecursionError) as error:
            raise CareBenchError(
                f"{where}: {error}; expected strings, numbers, true, false, null, lists and keys"
            ) from None

    def sha256(self) -> str:
        """Return the hash of the canonical JSON of these settings, defaults included."""
        return sha256_bytes(canonical_json(self.model_dump(mode="json")))


def parse_by_name(content: Any, kind: str, entries: Mapping[str, type[Settings]], known: set[str]) -> Any:
    """Turn plain data into the settings class that its key `name` calls for; settings pass through unchanged.

    Args:
        content: the data.
        kind: what is named, for errors ("method").
        entries: name -> settings class.
        known: names among them that are allowed here.

    Raises:
        ValueError: no name, an unknown one, or settings that are wrong; in one line.
    """
    if not isinstance(content, dict):
        return content
    name = content.get("name")
    if not isinstance(name, str):
        raise ValueError(f"a {kind} needs the key 'name'")
    try:
        if name not in known:
            raise unknown(kind, name, known)
        return entries[name].parse(content, f"settings of {name!r}")
    except CareBenchError as error:
        raise ValueError(str(error)) from None


def _first_line(error: ValidationError, model: type[BaseModel], content: Any) -> str:
    # A misspelt key is often missing under its right name as well: name the misspelling.
    found = sorted(error.errors(include_url=False), key=lambda entry: entry["type"] not in UNKNOWN_KEY)
    first = found[0]
    key = _path(first["loc"], content, missing=first["type"] == "missing")
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    if first["type"] in UNKNOWN_KEY:
        return f"unknown key {key!r}{_nearest(str(first['loc'][-1]), model)}{more}"
    if first["type"] in CHOICE:
        about = first["ctx"]
        chosen = ".".join([*([key] if key else []), about["discriminator"].strip("'")])
        if "tag" not in about:
            return f"key {chosen!r} is missing{more}"
        return f"{chosen} = {about['tag']!r}: expected one of {about['expected_tags']}{more}"
    message = EXPECTED.get(first["type"], first["msg"].removeprefix("Value error, "))
    if first["type"] == "missing":
        return f"key {key!r} is missing{more}"
    given = first["input"]
    if not key:
        return f"{message}{more}"
    whole = not isinstance(given, dict | list) or (first["type"] in EXPECTED and len(spelt(given)) <= SHOWN)
    shown = f"{key} = {spelt(given)}" if whole else key
    return f"{shown}: {message}{more}"


def _path(location: tuple[int | str, ...], content: Any, missing: bool) -> str:
    """Return the key as a file has it: pydantic also names which of several settings it took, such as `adam`.

    Args:
        location: as pydantic gives it.
        content: what was validated.
        missing: whether the last key is one that the content lacks.
    """
    keys = []
    for index, part in enumerate(location):
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            if not (missing and index == len(location) - 1):
                continue
        keys.append(str(part))
    return ".".join(keys)


def _nearest(key: str, model: type[BaseModel]) -> str:
    # A key that is valid in another place must not be suggested for itself.
    known = (_all_keys(model) | set(getattr(model, "variant_keys", ()))) - {key}
    near = get_close_matches(key, sorted(known), n=1, cutoff=0.6)
    return f": did you mean {near[0]!r}?" if near else ""


def _all_keys(model: type[Any]) -> set[str]:
    """Return the keys of a settings class, and of the settings in it."""
    if is_dataclass(model):
        return {field.name for field in fields(model)}
    keys = set(model.model_fields)
    return keys.union(
        *(_all_keys(inner) for field in model.model_fields.values() for inner in _inner(field.annotation))
    )


def _inner(annotation: Any) -> list[type[Any]]:
    """Return the settings classes that a field's annotation names."""
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _inner(argument)]
