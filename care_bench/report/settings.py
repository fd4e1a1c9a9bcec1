"""How the rows of a collection were trained: the settings behind their labels, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from care_bench.artifacts import Record
from care_bench.report.labels import labels, order, variant_of

Row = tuple[tuple[str, str], ...]


def settings_lines(records: Sequence[Record]) -> list[str]:
    """Say which method settings each row was trained with, data sets with the same settings in one line.

    Args:
        records: a collection; records without a configuration are passed over.
    """
    names = labels({variant_of(record) for record in records})
    found: dict[str, dict[str, str]] = {}
    for record in sorted(records, key=lambda record: order(variant_of(record))):
        if record.config:
            row = found.setdefault(record.dataset, {})
            row.setdefault(names[variant_of(record)], _describe(json.loads(record.config)))
    same: dict[Row, list[str]] = {}
    for dataset, rows in sorted(found.items()):
        same.setdefault(tuple(rows.items()), []).append(dataset)
    return [f"Settings on {_join(datasets)}: {_rows(rows)}." for rows, datasets in same.items()]


def _rows(rows: Row) -> str:
    return "; ".join(f"{label}: {settings}" for label, settings in rows if settings)


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
