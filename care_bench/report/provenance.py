"""Where numbers come from, compactly: one row per run with its hashes and the value of each of its records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from care_bench.artifacts import Record
from care_bench.evaluation.protocols import METRICS, OURS
from care_bench.names import REPRESENTATIONS, Representation
from care_bench.report.labels import Order, Variant, metric_label, position
from care_bench.report.variants import Variants


class Value(NamedTuple):
    """A record: its id, and its value or, in ``reason``, why it has none."""

    id: str
    text: str
    reason: str


@dataclass(frozen=True)
class Run:
    """An encoder: row label and seed, the SHA-256 of its configuration and weights, and a value per column."""

    label: str
    seed: int
    config: str
    weights: str
    values: tuple[Value | None, ...]


@dataclass(frozen=True)
class Runs:
    """Runs on one data set, trained and measured by the same code on the same device.

    Attributes:
        data: data set and backbone.
        data_sha256: of the data set.
        code: its version; those of the training and of the measurement where they differ.
        device: the same of the device.
        groups: spanning headers, the protocols, with their number of columns.
        columns: metric and representation.
        runs: the rows.
    """

    data: str
    data_sha256: str
    code: str
    device: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Provenance:
    """The records behind a section, and the folder of the whole records below the results folder."""

    source: str
    runs: tuple[Runs, ...]


class _Place(NamedTuple):
    dataset: str
    backbone: str
    data_sha256: str
    code: str
    device: str


class _Encoder(NamedTuple):
    row: Variant
    seed: int
    config: str
    weights: str


_RUN = attrgetter(
    *("dataset", "backbone", "data_sha256", "code_version", "device", "trained_by", "trained_on"),
    *("method", "base", "fidelity", "variant", "seed", "config_sha256", "weights_sha256"),
)


class _Column(NamedTuple):
    protocol: str
    metric: str
    representation: Representation


def provenance_of(
    source: str, records: Iterable[Record], variants: Variants, labels: Mapping[Variant, str], order: Order
) -> Provenance:
    """Lay out records.

    Args:
        source: folder of the collection.
        records: those that cells cite.
        variants: the rows of the collection.
        labels: of the rows.
        order: of data sets and rows.
    """
    places: dict[_Place, dict[_Encoder, dict[_Column, Record]]] = {}
    for _, group in groupby(records, key=_RUN):  # a collection has the records of an encoder one after another
        run = list(group)
        one = run[0]
        code, device = _both(one.trained_by, one.code_version), _both(one.trained_on, one.device)
        place = _Place(one.dataset, one.backbone, one.data_sha256, code, device)
        encoder = _Encoder(variants.of(one), one.seed, one.config_sha256, one.weights_sha256)
        columns = {_Column(record.protocol, record.metric, record.representation): record for record in run}
        places.setdefault(place, {}).setdefault(encoder, {}).update(columns)
    found = sorted(places, key=lambda place: (order.dataset(place.dataset), place))
    return Provenance(source, tuple(_runs(place, places[place], labels, order) for place in found))


def _runs(
    place: _Place,
    encoders: Mapping[_Encoder, Mapping[_Column, Record]],
    labels: Mapping[Variant, str],
    order: Order,
) -> Runs:
    columns = sorted({column for found in encoders.values() for column in found}, key=_column_order)
    protocols = [column.protocol for column in columns]
    by_row = order.variants([place.dataset])
    rows = sorted(encoders, key=lambda one: (by_row(one.row), one.seed, one.config, one.weights))
    return Runs(
        f"{place.dataset} ({place.backbone})",
        place.data_sha256,
        place.code,
        place.device,
        tuple((name, protocols.count(name)) for name in dict.fromkeys(protocols)),
        tuple(f"{metric_label(column.metric)}, {column.representation}" for column in columns),
        tuple(Run(labels[one.row], one.seed, one.config, one.weights, _values(encoders[one], columns)) for one in rows),
    )


def _both(training: str, measurement: str) -> str:
    return measurement if training == measurement else f"{training} (training), {measurement} (measurement)"


def _column_order(column: _Column) -> tuple[object, ...]:
    protocol = position(column.protocol, [known.id for known in OURS])
    return protocol, position(column.metric, METRICS), REPRESENTATIONS.index(column.representation)


def _values(found: Mapping[_Column, Record], columns: Sequence[_Column]) -> tuple[Value | None, ...]:
    records = (found.get(column) for column in columns)
    return tuple(
        None
        if record is None
        else Value(record.id, "" if record.value is None else f"{record.value:.5g}", record.reason or "")
        for record in records
    )
