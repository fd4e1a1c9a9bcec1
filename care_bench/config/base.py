"""Strict settings, and validation errors as one line that names the key."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, sha256_bytes


class Settings(BaseModel):
    """Settings that accept no unknown key and do not change once made."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @classmethod
    def parse(cls, content: Mapping[str, Any], where: str) -> Self:
        """Validate plain data.

        Args:
            content: keys and values as YAML or JSON gives them.
            where: the file or place they come from, named in the error.

        Raises:
            CareBenchError: one line naming the first wrong key, its value and what was expected.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise CareBenchError(f"{where}: {_first_line(error, cls)}") from None

    def sha256(self) -> str:
        """Return the hash of the canonical JSON of these settings, defaults included."""
        return sha256_bytes(canonical_json(self.model_dump(mode="json")))


def _first_line(error: ValidationError, model: type[BaseModel]) -> str:
    # A misspelt key is often missing under its right name as well: name the misspelling.
    found = sorted(error.errors(include_url=False), key=lambda entry: entry["type"] != "extra_forbidden")
    first = found[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_nearest(str(first['loc'][-1]), model)}{more}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"key {key!r} is missing{more}"
    given = first["input"]
    if not key:
        return f"{message}{more}"
    shown = f"{key} = {given!r}" if not isinstance(given, dict | list) else key
    return f"{shown}: {message}{more}"


def _nearest(key: str, model: type[BaseModel]) -> str:
    # A key that exists in another place is no misspelling of itself.
    known = (_all_keys(model) | set(getattr(model, "beside", ()))) - {key}
    near = get_close_matches(key, sorted(known), n=1, cutoff=0.6)
    return f": did you mean {near[0]!r}?" if near else ""


def _all_keys(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> set[str]:
    seen = set() if seen is None else seen
    if model in seen:
        return set()
    seen.add(model)
    keys = set(model.model_fields)
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            keys |= _all_keys(inner, seen)
    return keys


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    inner = getattr(annotation, "__args__", ())
    return [model for argument in inner for model in _models_in(argument)]
