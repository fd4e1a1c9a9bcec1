"""How the rows of a collection were trained and measured: the settings behind their labels, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from care_bench.artifacts import Record
from care_bench.report.labels import Variant, labels, variant_of
from care_bench.report.order import Order


def settings_lines(records: Sequence[Record], order: Order) -> list[str]:
    """Say which settings each row was trained with: a line for each, data sets with the same settings in one.

    A row's line has the settings of its method, and those of encoder, augmentation and training in which it differs
    from most rows of the data set. Where rows differ, a line before them has what most of them have.

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
    return [*_usual_lines(configs, usual, order)] + [
        f"Settings of {label} on {_join(datasets)}: {settings}."
        for (label, settings), datasets in found.items()
        if settings
    ]


def measuring_lines(records: Sequence[Record], order: Order) -> list[str]:
    """Say under which augmentations the rows of each data set were measured, the same for all of them.

    Records from before they held that are passed over.
    """
    evaluations = {record.dataset: json.loads(record.evaluation) for record in records if record.evaluation}
    found: dict[tuple[int, int, str], list[str]] = {}
    for dataset in sorted(evaluations, key=order.dataset):
        content = evaluations[dataset]
        settings = dict(content["augmentation"])
        kind = settings.pop("kind")
        drawn = ", ".join(_words(key, value) for key, value in settings.items()) or f"random {kind}s"
        number, seed = content["augmentations"], content["augmentation_seed"]
        found.setdefault((number, seed, drawn), []).append(dataset)
    return [
        f"Measured on {_join(datasets)} under {number} draws (seed {seed}), the same for every row, whatever it was "
        f"trained with: {drawn}."
        for (number, seed, drawn), datasets in found.items()
    ]


def _usual_lines(
    configs: Mapping[tuple[str, Variant], dict[str, Any]], usual: Mapping[str, dict[str, Any]], order: Order
) -> Iterable[str]:
    for dataset in sorted(usual, key=order.dataset):
        rows = [dict(_surroundings(config)) for (name, _), config in configs.items() if name == dataset]
        differing = [key for key, value in usual[dataset].items() if any(row.get(key, value) != value for row in rows)]
        if differing:
            words = ", ".join(_words(key, usual[dataset][key]) for key in differing)
            yield f"Settings on {dataset} where a row's line says nothing else: {words}."


def _describe(config: dict[str, Any], usual: dict[str, Any]) -> Iterable[str]:
    method = {
        key: value for key, value in _flat(config["method"]) if key.rpartition(".")[2] not in ("name", "fidelity")
    }
    own = {key: value for key, value in _surroundings(config) if usual.get(key) != value}
    for key, value in (method | own).items():
        yield _words(key, value)
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


def _words(key: str, value: Any) -> str:
    return f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"


def _join(names: Sequence[str]) -> str:
    return " and ".join(names)
