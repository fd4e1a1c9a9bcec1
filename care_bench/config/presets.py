"""Presets: encoder, augmentation and training of a data set, as YAML files in the folder `presets`."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from care_bench.config.yaml_files import parse_yaml
from care_bench.errors import unknown


@cache
def _presets() -> dict[str, str]:
    folder = resources.files("care_bench.config").joinpath("presets")
    return {Path(file.name).stem: file.read_text() for file in folder.iterdir() if file.name.endswith(".yaml")}


def load_preset(name: str) -> dict[str, dict[str, Any]]:
    """Return encoder, augmentation and training of a preset that comes with the package."""
    presets = _presets()
    if name not in presets:
        raise unknown("preset", name, presets)
    content: dict[str, dict[str, Any]] = parse_yaml(presets[name], f"preset {name!r}")
    return content
