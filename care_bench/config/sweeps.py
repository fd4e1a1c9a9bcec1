"""Sweeps: a list of values for a setting that takes one stands for a row of each value."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from itertools import product
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from care_bench.config.backbones import BACKBONE_SETTINGS, BackboneSettings
from care_bench.config.base import spelt
from care_bench.config.methods import METHOD_SETTINGS, MethodSettings
from care_bench.config.run import RunConfig

Path: TypeAlias = tuple[str, ...]
OF_A_VARIANT = ("encoder", "augmentation", "training")
"""Keys of a variant that are not its method's."""
MOST = 1000
"""Most rows that one variant stands for."""
REGISTRIES: dict[type[Any], Mapping[str, type[Any]]] = {
    MethodSettings: METHOD_SETTINGS,
    BackboneSettings: BACKBONE_SETTINGS,
}
"""Settings that their key `name` chooses."""


def swept(methods: Mapping[str, Any]) -> dict[str, Any]:
    """Replace each variant that has lists of values by a variant for every value, in the order of the lists.

    `care: {name: care, weight: [0.1, 1]}` becomes `care-weight-0.1` and `care-weight-1`. With several lists there is a
    variant for every combination. A list stays where the setting itself is one, such as `projector.hidden`, and where
    a key is unknown.

    Args:
        methods: variant -> plain data of its settings.

    Raises:
        ValueError: a list is empty, or has other entries than numbers, strings, true, false and null; or two variants
            have one name.
    """
    found: dict[str, Any] = {}
    for variant, settings in methods.items():
        for name, row in _rows(variant, settings):
            if name in found or (name != variant and name in methods):
                raise ValueError(f"{variant}: its row {name!r} is there twice; expected distinct values and names")
            found[name] = row
    return found


def _rows(variant: str, settings: Any) -> Iterator[tuple[str, Any]]:
    lists = list(_lists(settings)) if isinstance(settings, dict) else []
    for path, values in lists:
        if not values or any(isinstance(value, list | dict) for value in values):
            raise ValueError(
                f"{variant}.{'.'.join(path)} = {spelt(values)}; expected one value, or a list of numbers or names, "
                "which stands for a row of each"
            )
    if (number := math.prod(len(values) for _, values in lists)) > MOST:
        raise ValueError(f"{variant}: its lists stand for {number} rows; expected at most {MOST}")
    for chosen in product(*(values for _, values in lists)):
        name, row = variant, settings
        for (path, _), value in zip(lists, chosen, strict=True):
            name += f"-{path[-1]}-{_text(value)}"
            row = _replaced(row, path, value)
        yield name, row


def _lists(variant: Mapping[str, Any]) -> Iterator[tuple[Path, list[Any]]]:
    """Yield the places of lists of a variant where its settings take one value."""
    if not _has_list(variant):  # no method is looked up, which may import another package
        return
    run = {key: RunConfig.model_fields[key].annotation for key in OF_A_VARIANT}
    for key, value in variant.items():
        if key in OF_A_VARIANT and isinstance(value, dict):
            yield from _below(value, _models(run[key], value), (key,))
        elif key == "preset" and isinstance(value, list):
            yield (key,), value
    method = {key: value for key, value in variant.items() if key not in (*OF_A_VARIANT, "preset")}
    yield from _below(method, _models(MethodSettings, method), ())


def _below(content: Mapping[str, Any], models: list[type[Any]], path: Path) -> Iterator[tuple[Path, list[Any]]]:
    for key, value in content.items():
        known = [annotations[key] for annotations in map(_annotations, models) if key in annotations]
        if isinstance(value, dict):
            inner = [model for annotation in known for model in _models(annotation, value)]
            yield from _below(value, inner, (*path, key))
        elif isinstance(value, list) and known and not any(map(_takes_list, known)):
            yield (*path, key), value


def _has_list(content: Any) -> bool:
    if isinstance(content, dict):
        return any(map(_has_list, content.values()))
    return isinstance(content, list)


def _models(annotation: Any, content: Mapping[str, Any]) -> list[type[Any]]:
    """Return the settings classes that an annotation allows for plain data: that of its `name`, where it has one."""
    if isinstance(annotation, type) and annotation in REGISTRIES:
        registry, name = REGISTRIES[annotation], content.get("name")
        return [registry[name]] if isinstance(name, str) and name in registry else []
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        own = get_args(_annotations(annotation).get("name"))
        return [annotation] if not own or content.get("name") in own else []
    return [model for argument in get_args(annotation) for model in _models(argument, content)]


def _annotations(model: type[Any]) -> dict[str, Any]:
    if issubclass(model, BaseModel):
        return {key: field.annotation for key, field in model.model_fields.items()}
    return get_type_hints(model)


def _takes_list(annotation: Any) -> bool:
    return get_origin(annotation) in (list, tuple) or any(map(_takes_list, get_args(annotation)))


def _replaced(content: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    key, *rest = path
    return {**content, key: _replaced(content[key], tuple(rest), value) if rest else value}


def _text(value: Any) -> str:
    """Write a value in the name of a row: 1.0 as 1, since a profile may have either."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)
