"""The settings of runs as columns of a collection, such as `method.weight` and `training.epochs`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from care_bench.artifacts.frame import frame
from care_bench.artifacts.record import Record
from care_bench.errors import CareBenchError, unknown

if TYPE_CHECKING:
    import pandas as pd

Setting: TypeAlias = str | int | float | bool | None


@lru_cache(maxsize=4096)
def flattened(config: str) -> Mapping[str, Setting]:
    """Return the settings of a configuration by dotted key; a list is one setting, as JSON text.

    Args:
        config: a configuration as JSON, as a record has it.
    """
    return dict(_leaves(json.loads(config), ""))


def settings_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Return the tidy frame of records, one row each, with a column more for every setting of their runs.

    A column is named by the dotted key, such as `method.weight`; it is empty where a run has no such setting.
    """
    import pandas as pd

    found = list(records)
    settings = pd.DataFrame([flattened(record.config) for record in found], dtype="object")
    return frame(found).join(settings, rsuffix=" (setting)")


def key_of(name: str, configs: Iterable[Mapping[str, Setting]], fields: Iterable[str] = ()) -> dict[int, str]:
    """Find a setting in configurations: by its dotted key, or by its end, such as `weight` or `optimizer.name`.

    A short name may stand at different places in different configurations: the `temperature` of SimCLR is that of
    the method, or of its base.

    Args:
        name: what was asked for.
        configs: of runs, as :func:`flattened` returns them.
        fields: other names that are known, for the error.

    Returns:
        Place in ``configs`` -> dotted key; without those that lack the setting.

    Raises:
        CareBenchError: no configuration has it, or one has it at several places.
    """
    found: dict[int, str] = {}
    known: set[str] = set(fields)
    for place, config in enumerate(configs):
        known.update(config, (key.rpartition(".")[2] for key in config))
        keys = [name] if name in config else [key for key in config if key.endswith(f".{name}")]
        if len(keys) > 1:
            raise CareBenchError(f"setting {name!r} has several places; expected one of {', '.join(sorted(keys))}")
        if keys:
            found[place] = keys[0]
    if not found:
        raise unknown("setting", name, known)
    return found


def _leaves(content: Any, prefix: str) -> Iterable[tuple[str, Setting]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value) if isinstance(value, list) else value
