"""YAML files, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from care_bench.errors import CareBenchError
from care_bench.untrusted import read_bytes, reason

EXPONENT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")
"""Numbers with an exponent. YAML 1.1, and so PyYAML, reads 1e-6 as a string unless it has both dot and sign."""

MOST_VALUES = 1_000_000
"""A file of a few lines can stand for more values than memory has room for, by aliases of aliases."""


class _Loader(yaml.SafeLoader):
    """A safe loader of the types of JSON: no dates, and no duplicate key, where YAML would keep the last."""


def _mapping_without_repetition(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.YAMLError(f"the key in line {key.start_mark.line + 1} is a list or has keys; expected a string")
        if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
            raise yaml.YAMLError(f"duplicate key {key.value!r} in line {key.start_mark.line + 1}")
        seen.add(str(key.value))
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repetition)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        CareBenchError: no such file, not YAML, or a duplicate key.
    """
    content = read_bytes(path, "expected a YAML or JSON file")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise CareBenchError(f"{path} is not YAML: {error}") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Read the text of a YAML file; ``where`` is named in errors.

    Raises:
        CareBenchError: not YAML, or a duplicate key.
    """
    try:
        content = _load(text, where)
        _check_size(content, {})
    except yaml.YAMLError as error:
        raise CareBenchError(f"{where} is not YAML: {' '.join(str(error).split())}") from None
    except Exception as error:  # such as a date that does not exist, or nesting too deep for Python
        raise CareBenchError(f"{reason(where, error)}; expected YAML or JSON") from None
    return content


def kind_of(content: Any) -> str:
    """Name what a file holds, where it should hold something else."""
    return "nothing: the file is empty" if content is None else type(content).__name__


def _load(text: str, where: str) -> Any:
    loader = _Loader(text)
    loader.name = where  # which messages name; PyYAML calls a text `<unicode string>`
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _check_size(content: Any, seen: dict[int, int | None]) -> int:
    """Return the number of values in a content, counting those of an alias (`*name`) wherever it stands.

    Raises:
        ValueError: more than ``MOST_VALUES``, or a value that contains itself.
    """
    if not isinstance(content, dict | list):
        return 1
    known = seen.setdefault(id(content), 0)
    if known == 0:
        seen[id(content)] = None
        inner = content.values() if isinstance(content, dict) else content
        seen[id(content)] = known = 1 + sum(_check_size(value, seen) for value in inner)
    if known is None:
        raise ValueError("a value contains itself")
    if known > MOST_VALUES:
        raise ValueError(f"its aliases stand for more than {MOST_VALUES} values")
    return known


def parse_scalars(content: Any) -> Any:
    """Re-parse every string as a YAML scalar: Snakemake reads the 0 in `--config seeds=[0]` as a string."""
    if isinstance(content, Mapping):
        return {key: parse_scalars(value) for key, value in content.items()}
    if isinstance(content, list):
        return [parse_scalars(value) for value in content]
    if not isinstance(content, str):
        return content
    loader = _Loader("")
    try:
        tag = loader.resolve(yaml.ScalarNode, content, (True, False))  # type: ignore[no-untyped-call]
        return loader.construct_object(yaml.ScalarNode(tag, content))
    except (yaml.YAMLError, ValueError):
        return content
    finally:
        loader.dispose()
