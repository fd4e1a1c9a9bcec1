"""How the rows of a collection were trained: the settings behind their labels, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from care_bench.artifacts import Record
from care_bench.report.labels import labels, order, variant_of


def settings_lines(records: Sequence[Record]) -> list[str]:
    """Say which method settings each row was trained with: a line for each, data sets with the same settings in one.

    Args:
        records: a collection; records without a configuration are passed over.
    """
    names = labels({variant_of(record) for record in records})
    found: dict[tuple[str, str], list[str]] = {}
    for record in sorted(records, key=lambda record: (order(variant_of(record)), record.dataset)):
        if record.config:
            row = (names[variant_of(record)], _describe(json.loads(record.config)))
            datasets = found.setdefault(row, [])
            if record.dataset not in datasets:
                datasets.append(record.dataset)
    return [
        f"Settings of {label} on {_join(datasets)}: {settings}."
        for (label, settings), datasets in found.items()
        if settings
    ]


def _describe(config: dict[str, Any]) -> str:
    steps = config["training"]["steps"]
    parts = list(_values(config["method"]))
    return ", ".join(parts if steps is None else [*parts, f"cut to {steps} steps"])


def _values(method: dict[str, Any], prefix: str = "") -> Iterable[str]:
    for key, value in method.items():
        if isinstance(value, dict):
            yield from _values(value, f"{key}.")
        elif key not in ("name", "fidelity"):
            yield f"{prefix}{key} {value:g}" if isinstance(value, float) else f"{prefix}{key} {value}"


def _join(names: Sequence[str]) -> str:
    return " and ".join(names)
