"""How the rows of a collection were trained: the settings behind their labels, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from care_bench.artifacts import Record
from care_bench.report.labels import labels, variant_of
from care_bench.report.order import Order


def settings_lines(records: Sequence[Record], order: Order) -> list[str]:
    """Say which settings each row was trained with: a line for each, data sets with the same settings in one.

    A row's line has the settings of its method, and those of encoder, augmentation and training in which it differs
    from most rows of the data set.

    Args:
        records: a collection; records without a configuration are passed over.
        order: of data sets and rows.
    """
    names = labels({variant_of(record) for record in records})
    rows = {(record.dataset, variant_of(record)): record.config for record in records if record.config}
    configs = {row: json.loads(config) for row, config in rows.items()}
    usual = {dataset: _usual([c for (d, _), c in configs.items() if d == dataset]) for dataset, _ in configs}
    found: dict[tuple[str, str], list[str]] = {}
    by_row = order.variants(usual)
    for dataset, variant in sorted(configs, key=lambda row: (by_row(row[1]), order.dataset(row[0]))):
        settings = ", ".join(_describe(configs[dataset, variant], usual[dataset]))
        found.setdefault((names[variant], settings), []).append(dataset)
    return [
        f"Settings of {label} on {_join(datasets)}: {settings}."
        for (label, settings), datasets in found.items()
        if settings
    ]


def _describe(config: dict[str, Any], usual: dict[str, Any]) -> Iterable[str]:
    method = {
        key: value for key, value in _flat(config["method"]) if key.rpartition(".")[2] not in ("name", "fidelity")
    }
    own = {key: value for key, value in _surroundings(config) if usual.get(key) != value}
    for key, value in (method | own).items():
        yield f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
    steps = config["training"]["steps"]
    if steps is not None:
        yield f"cut to {steps} steps"


def _usual(configs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the value that most rows have of each setting of encoder, augmentation and training; of two, the first."""
    counts: dict[str, Counter[str]] = {}
    for config in configs:
        for key, value in _surroundings(config):
            counts.setdefault(key, Counter())[json.dumps(value)] += 1
    return {key: json.loads(counter.most_common(1)[0][0]) for key, counter in counts.items()}


def _surroundings(config: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    parts = {key: config.get(key, {}) for key in ("encoder", "augmentation", "training")}
    return ((key, value) for key, value in _flat(parts) if key != "training.steps")


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _join(names: Sequence[str]) -> str:
    return " and ".join(names)
