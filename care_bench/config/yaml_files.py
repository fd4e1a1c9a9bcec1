"""YAML files, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from care_bench.errors import CareBenchError


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key which stands twice in one mapping, where YAML would keep the last."""


def _mapping_without_repetition(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
            raise yaml.YAMLError(f"key {key.value!r} stands twice, the second time in line {key.start_mark.line + 1}")
        seen.add(str(key.value))
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repetition)


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        CareBenchError: no such file, not YAML, or a key that stands twice.
    """
    try:
        return yaml.load(path.read_text(), _Loader)  # a subclass of SafeLoader
    except OSError as error:
        raise CareBenchError(f"cannot read {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise CareBenchError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
