"""How the rows of a collection were trained and measured: the settings behind their labels, as sentences."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from care_bench.artifacts import Record
from care_bench.names import IMPORTED
from care_bench.report.labels import Order, labels
from care_bench.report.variants import Variants
from care_bench.untrusted import decoding

Settings: TypeAlias = Mapping[str, Any]

_CONFIG = ("method.name", "training.steps")
_EVALUATION = ("augmentation.kind", "augmentations", "augmentation_seed")


def settings_lines(records: Sequence[Record], order: Order) -> list[str]:
    """Say how each row was trained: one sentence per row, shared by data sets with the same settings.

    The sentence of a row has the settings of its method, and those of encoder, augmentation and training that differ
    from most rows of the data set. Where rows differ, an earlier sentence gives the settings of most rows.

    Args:
        records: a collection.
        order: of data sets and rows.
    """
    variants = Variants(records)
    names = labels(set(map(variants.of, records)))
    texts = {(record.dataset, variants.of(record)): record.config for record in records if record.method != IMPORTED}
    configs = {
        (dataset, variant): _parse(text, f"the config of {names[variant]} on {dataset}", *_CONFIG)
        for (dataset, variant), text in texts.items()
    }
    shared: dict[str, list[Settings]] = {}
    for (dataset, _), config in configs.items():
        shared.setdefault(dataset, []).append(_shared_settings(config))
    usual = {dataset: _usual(rows) for dataset, rows in shared.items()}

    lines = []
    for dataset in sorted(usual, key=order.dataset):
        differing = [
            key
            for key in usual[dataset]
            if any(key in row and row[key] != usual[dataset][key] for row in shared[dataset])
        ]
        if differing:
            words = ", ".join(_words(key, usual[dataset][key]) for key in differing)
            lines.append(f"Settings on {dataset} where a row's line says nothing else: {words}.")
    found: dict[tuple[str, str], list[str]] = {}
    by_row = order.variants(usual)
    for dataset, variant in sorted(configs, key=lambda row: (by_row(row[1]), order.dataset(row[0]))):
        settings = ", ".join(_describe(configs[dataset, variant], usual[dataset]))
        found.setdefault((names[variant], settings), []).append(dataset)
    lines += [
        f"Settings of {row} on {' and '.join(on)}: {settings}." for (row, settings), on in found.items() if settings
    ]
    return lines


def imported_lines(records: Sequence[Record], order: Order) -> list[str]:
    """Say of each imported encoder where it and its weights come from, one sentence for all of its layers."""
    found: dict[tuple[str, str], list[str]] = {}
    imported = {
        (order.dataset(record.dataset), record.variant.partition("@")[0]): record
        for record in records
        if record.method == IMPORTED
    }
    for (_, name), record in sorted(imported.items()):
        content = _parse(record.config, f"the config of {name} on {record.dataset}", "provenance")
        found.setdefault((name, _origin(content["provenance"])), []).append(record.dataset)
    return [f"{name}, imported on {' and '.join(on)}: {words}." for (name, words), on in found.items()]


def _origin(provenance: Settings) -> str:
    """Say where an imported encoder and its weights come from, and what it takes."""
    made_by = ", ".join(f"{maker} {version}" for maker, version in provenance["made_by"].items())
    words = [f"{provenance['encoder']} ({made_by})"]
    if digest := provenance.get("weights_sha256"):
        under = f"under {provenance['prefix']}" if provenance["prefix"] else "without a prefix"
        words.append(
            f"weights {provenance['weights']} (sha256 {digest[:12]}, {provenance['matched']} tensors {under}, "
            f"{provenance['naming']})"
        )
        if provenance["partial"]:
            words.append(f"PARTIAL: {provenance['missing']} tensors keep their initial values")
    else:
        words.append(f"weights: {provenance['weights']}")
    words += [f"layer {layer}: {description}" for layer, description in provenance["layers"].items()]
    if provenance["size"] is not None:
        mean, std = (", ".join(f"{value:g}" for value in provenance[key]) for key in ("mean", "std"))
        words.append(f"images of {provenance['size']} px, mean {mean}, standard deviation {std}")
    if plain := provenance.get("plain_view"):
        words.append(f"plain view: {plain}")
    if provenance["repeated_channels"] > 1:
        words.append("their one channel repeated")
    if difference := provenance["difference_of_two_passes"]:
        words.append(f"not deterministic: two passes differ by {difference:.2g}")
    words += [f"of the data: {note}" for note in provenance.get("data", ())]
    return "; ".join(words)


def measuring_lines(records: Sequence[Record], order: Order) -> list[str]:
    """Say under which augmentations the rows of each data set were measured."""
    evaluations = {record.dataset: record.evaluation for record in records}
    found: dict[str, list[str]] = {}
    for dataset in sorted(evaluations, key=order.dataset):
        content = _parse(evaluations[dataset], f"the evaluation of {dataset}", *_EVALUATION)
        settings = dict(content["augmentation"])
        kind = settings.pop("kind")
        drawn = ", ".join(_words(key, value) for key, value in settings.items()) or f"random {kind}s"
        draws = f"{content['augmentations']} draws (seed {content['augmentation_seed']})"
        words = f"under {draws}, the same for every row, whatever it was trained with: {drawn}."
        found.setdefault(words, []).append(dataset)
    return [f"Measured on {' and '.join(datasets)} {words}" for words, datasets in found.items()]


def _parse(text: str, where: str, *needed: str) -> Settings:
    """Return settings that a record has as JSON.

    Raises:
        CareBenchError: a dotted key that is needed is missing; ``where`` names the settings.
    """
    with decoding(where, "expected records that care-bench evaluate wrote"):
        content: Settings = json.loads(text)
        for key in needed:
            part: Any = content
            for name in key.split("."):
                part = part[name]
    return content


def _describe(config: Settings, usual: Settings) -> Iterator[str]:
    method = {key: value for key, value in _flat(config["method"]) if key.split(".")[-1] not in ("name", "fidelity")}
    own = {key: value for key, value in _shared_settings(config).items() if usual.get(key) != value}
    yield from (_words(key, value) for key, value in (method | own).items())
    if config["training"]["steps"] is not None:
        yield f"cut to {config['training']['steps']} steps"


def _usual(rows: Sequence[Settings]) -> dict[str, Any]:
    """Return the value that most rows have of each setting; of two, the first."""
    counts: dict[str, Counter[str]] = {}
    for key, value in (item for row in rows for item in row.items()):
        counts.setdefault(key, Counter())[json.dumps(value)] += 1
    return {key: json.loads(counter.most_common(1)[0][0]) for key, counter in counts.items()}


def _shared_settings(config: Settings) -> dict[str, Any]:
    """Settings that are not the method's, by their dotted key."""
    parts = {key: config.get(key, {}) for key in ("encoder", "augmentation", "training")}
    return {key: value for key, value in _flat(parts) if key != "training.steps"}


def _flat(settings: Settings, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _words(key: str, value: Any) -> str:
    return f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
