"""Another valid value of every setting."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

OPTIONAL = {"negatives_per": 4, "batchnorm_rows": 4, "split_batchnorm": 2, "warmup_steps": 1, "samples": 16}
"""Another value of settings that are off by default."""


def another(value: Any, annotation: Any) -> Any:
    """Return another valid value of a setting."""
    choices = [
        choice
        for part in (annotation, *get_args(annotation))
        if get_origin(part) is Literal
        for choice in get_args(part)
    ]
    match value:
        case str():
            return next(choice for choice in reversed(choices) if choice != value)
        case bool():
            return not value
        case int():
            return value // 2
        case float():
            return 0.4 * value + 0.01
        case tuple():
            return tuple(another(number, None) for number in value)
    raise AssertionError(f"no other value of {value!r} is known; add one here")


def other_values(settings: BaseModel, left_out: set[str]) -> list[tuple[str, Any]]:
    """Return every field with another value than the settings have."""
    fields = type(settings).model_fields
    assert left_out <= fields.keys() | {"name"}
    names = fields.keys() - left_out - {"name"}
    return [
        (name, OPTIONAL.get(name) or another(getattr(settings, name), fields[name].annotation))
        for name in sorted(names)
    ]
