"""Where numbers come from, compactly: the runs with their hashes once, and the value of every record by measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from care_bench.artifacts import Record
from care_bench.evaluation.protocols import METRICS, OURS
from care_bench.names import REPRESENTATIONS
from care_bench.report.labels import Order, Variant, metric_label, position, variant_of


@dataclass(frozen=True)
class Run:
    """A trained encoder: row and seed, with the SHA-256 of its configuration and weights."""

    label: str
    seed: int
    config: str
    weights: str


@dataclass(frozen=True)
class Runs:
    """Runs on the same data by the same code on the same device; ``first`` is the number of the first of them."""

    data: str
    data_sha256: str
    code: str
    device: str
    first: int
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Values:
    """The records of a row: ``run`` is the number of its first run; (id, value, reason) per seed, None without one."""

    label: str
    run: int
    values: tuple[tuple[str, str, str] | None, ...]


@dataclass(frozen=True)
class Measured:
    """One metric of one representation: its rows."""

    title: str
    rows: tuple[Values, ...]


@dataclass(frozen=True)
class Protocol:
    """What one protocol measured on one data set."""

    title: str
    seeds: tuple[int, ...]
    measured: tuple[Measured, ...]


@dataclass(frozen=True)
class Provenance:
    """The records behind a section.

    Attributes:
        source: the folder with the whole records, below the results folder.
        runs: groups of runs.
        protocols: values, by data set and protocol.
    """

    source: str
    runs: tuple[Runs, ...]
    protocols: tuple[Protocol, ...]


def provenance_of(source: str, records: Sequence[Record], labels: Mapping[Variant, str], order: Order) -> Provenance:
    """Lay out records.

    Args:
        source: folder of the collection.
        records: those that cells cite.
        labels: of the rows.
        order: of data sets and rows.
    """
    by_row = order.variants(record.dataset for record in records)
    groups: dict[tuple[str, str, str, str], dict[tuple[Variant, int, str, str], Record]] = {}
    for record in sorted(records, key=lambda one: (order.dataset(one.dataset), by_row(variant_of(one)), one.seed)):
        run = (variant_of(record), record.seed, record.config_sha256, record.weights_sha256)
        groups.setdefault(_place(record), {}).setdefault(run, record)
    runs: list[Runs] = []
    numbers: dict[tuple[str, Variant], int] = {}
    first = 0
    for (data, digest, code, device), found in groups.items():
        rows = tuple(Run(labels[row], seed, config, weights) for row, seed, config, weights in found)
        runs.append(Runs(data, digest, code, device, first, rows))
        for number, (row, *_) in enumerate(found, start=first):
            numbers.setdefault((data, row), number)
        first += len(rows)
    return Provenance(source, tuple(runs), tuple(_protocols(records, labels, order, numbers)))


def _place(record: Record) -> tuple[str, str, str, str]:
    return f"{record.dataset} ({record.backbone})", record.data_sha256, record.code_version, record.device


def _protocols(
    records: Sequence[Record],
    labels: Mapping[Variant, str],
    order: Order,
    numbers: Mapping[tuple[str, Variant], int],
) -> list[Protocol]:
    known = [protocol.id for protocol in OURS]
    places: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        places.setdefault((record.dataset, record.backbone, record.protocol), []).append(record)
    found = []
    for place in sorted(places, key=lambda one: (order.dataset(one[0]), one[1], position(one[2], known))):
        dataset, backbone, protocol = place
        seeds = tuple(sorted({record.seed for record in places[place]}))
        by_row = order.variants([dataset])
        cells: dict[tuple[str, str], dict[Variant, dict[int, Record]]] = {}
        for record in places[place]:
            rows = cells.setdefault((record.metric, record.representation), {})
            rows.setdefault(variant_of(record), {})[record.seed] = record
        measured = tuple(
            Measured(
                f"{metric_label(metric)}, {representation}",
                tuple(
                    Values(
                        labels[row],
                        numbers[f"{dataset} ({backbone})", row],
                        tuple(_value(rows[row].get(seed)) for seed in seeds),
                    )
                    for row in sorted(rows, key=by_row)
                ),
            )
            for (metric, representation), rows in sorted(cells.items(), key=lambda item: _metric_order(*item[0]))
        )
        found.append(Protocol(f"{protocol} on {dataset} ({backbone})", seeds, measured))
    return found


def _metric_order(metric: str, representation: str) -> tuple[object, ...]:
    return position(metric, METRICS), [*REPRESENTATIONS].index(representation)


def _value(record: Record | None) -> tuple[str, str, str] | None:
    if record is None:
        return None
    return record.id, "" if record.value is None else f"{record.value:.6g}", record.reason or ""
