"""From records to cells: an index of a collection, and tables cut out of it by keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.report.labels import METRICS, REPRESENTATIONS, Variant, labels, metric_order, variant_of
from care_bench.report.order import Order
from care_bench.report.statistics import summarise
from care_bench.report.tables import Cell, Column, Table, mark_best, sizes, summary_text

SELECTION = "Selection: last checkpoint; nothing selected on test data."


class Key(NamedTuple):
    """What a column shows, for every variant."""

    dataset: str
    backbone: str
    protocol: str
    representation: str
    metric: str

    @property
    def data(self) -> str:
        """Data set and backbone, such as `digits (convnet)`."""
        return f"{self.dataset} ({self.backbone})"


class Grid:
    """The records of a collection by row (variant) and column (key), those of one stage of training.

    A protocol or metric that could not be applied to a data set at all, every record having the same reason, has no
    keys: its reason is a line in ``unmeasured``.

    Args:
        collection: the records.
        epoch: of the snapshots to take; None for the encoders after the last step.
    """

    def __init__(self, collection: Collection, epoch: int | None = None) -> None:
        self.profile, self.order = collection.profile, Order(collection.variants)
        self._cells: dict[tuple[Variant, Key], list[Record]] = defaultdict(list)
        self._columns: dict[Key, list[Record]] = defaultdict(list)
        stage = [record for record in collection.records if record.epoch == epoch]
        measured, self.unmeasured = _without_inapplicable(stage, self.order)
        for record in measured:
            key = Key(record.dataset, record.backbone, record.protocol, record.representation, record.metric)
            self._cells[variant_of(record), key].append(record)
            self._columns[key].append(record)
        # Of all stages together: a row has one name in every table of a collection.
        self.labels = labels({variant_of(record) for record in collection.records})
        self.keys = sorted(self._columns, key=lambda key: (*self.place(key), key))

    def place(self, key: Key) -> tuple[tuple[int, str], str, int]:
        """Sorting key of data and representation, which the order of ``keys`` begins with."""
        return self.order.dataset(key.dataset), key.data, REPRESENTATIONS.index(key.representation)

    def column(self, key: Key, group: str, name: str | None = None) -> Column:
        """The column of a key, under a spanning header; it is named after its metric unless ``name`` is given."""
        first = self._columns[key][0]
        return Column(group, name or METRICS.get(key.metric, key.metric), first.unit, first.higher_is_better)

    def rows(self, keys: Iterable[Key]) -> list[Variant]:
        """Variants with a record under any of the keys, in the order of the keys' data sets."""
        wanted = set(keys)
        present = {variant for variant, key in self._cells if key in wanted}
        return sorted(present, key=self.order.variants(key.dataset for key in wanted))

    def cell(self, variant: Variant | None, key: Key) -> Cell:
        """Mean over the pretraining seeds of a variant, or a blank that says why there is none."""
        records = [] if variant is None else self._cells.get((variant, key), [])
        if not records:
            return Cell(notes=(f"not part of this collection of profile {self.profile}",))
        ids = tuple(record.id for record in records)
        values = [record.value for record in records if record.value is not None]
        notes = (*_failures(records), *self._absent_seeds(records, key))
        if not values:
            return Cell(ids=ids, notes=notes)
        notes += _few_samples(records[0])
        summary = summarise(values)
        return Cell(summary_text(summary, records[0].unit), summary, ids=ids, notes=notes)

    def table(
        self,
        title: str,
        caption: str,
        columns: Sequence[tuple[Key, Column]],
        rows: Sequence[tuple[str, Variant | None]] | None = None,
    ) -> Table:
        """Build a table with its best cells marked.

        Args:
            title: heading.
            caption: what is shown; protocols, selection and the reading of the numbers are added to it.
            columns: a key and a header for each column.
            rows: a label and a variant each, None for a row that the profile lacks; by default the variants that have
                a record under any of the keys.
        """
        keys = [key for key, _ in columns]
        shown = [(self.labels[variant], variant) for variant in self.rows(keys)] if rows is None else rows
        cells = mark_best(
            tuple(column for _, column in columns), [[self.cell(variant, key) for key in keys] for _, variant in shown]
        )
        sentences = (caption, self.protocols(keys), SELECTION, *_reading(cells))
        headers = tuple(column for _, column in columns)
        return Table(title, sentences, headers, tuple(label for label, _ in shown), cells)

    def protocols(self, keys: Iterable[Key]) -> str:
        """Name the protocols behind some columns, and over how many repeats each gives its value for a seed."""
        repeats: dict[str, set[int]] = defaultdict(set)
        versions: dict[str, int] = {}
        for key in keys:
            for record in self._columns[key]:
                versions[record.protocol] = record.protocol_version
                repeats[record.protocol] |= {record.n} if record.value is not None else set()
        named = [f"{name} (version {versions[name]}{_repeats(repeats[name])})" for name in sorted(versions)]
        return f"Protocol: {', '.join(named)}."

    def _absent_seeds(self, records: Sequence[Record], key: Key) -> list[str]:
        absent = {record.seed for record in self._columns[key]} - {record.seed for record in records}
        seeds = ", ".join(str(seed) for seed in sorted(absent))
        return [f"no record of seed {seeds} in this collection of profile {self.profile}"] if absent else []


def _without_inapplicable(records: Iterable[Record], order: Order) -> tuple[list[Record], list[str]]:
    places: dict[tuple[str, str, str], dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        places[record.dataset, record.backbone, record.protocol][record.metric].append(record)
    kept, lines = [], []
    for (dataset, backbone, protocol), metrics in sorted(
        places.items(), key=lambda place: (order.dataset(place[0][0]), place[0])
    ):
        inapplicable: dict[str, list[str]] = defaultdict(list)
        for metric, found in metrics.items():
            reasons = {record.reason for record in found}
            if len(reasons) == 1 and (reason := reasons.pop()) is not None:
                inapplicable[reason].append(metric)
            else:
                kept += found
        for reason, without in inapplicable.items():
            names = ", ".join(METRICS.get(metric, metric) for metric in sorted(without, key=metric_order))
            what = protocol if len(without) == len(metrics) else f"{protocol} ({names})"
            count = sum(len(metrics[metric]) for metric in without)
            lines.append(f"{what}, {dataset} ({backbone}): {reason} (records without a value: {count}).")
    return kept, lines


def _failures(records: Sequence[Record]) -> list[str]:
    """Reasons of the records without a value; the seeds are named unless all of them share one reason."""
    seeds: dict[str, list[int]] = defaultdict(list)
    for record in records:
        if record.reason is not None:
            seeds[record.reason].append(record.seed)
    if len(seeds) == 1 and len(next(iter(seeds.values()))) == len(records):
        return list(seeds)
    return [f"seed {', '.join(map(str, failed))}: {reason}" for reason, failed in seeds.items()]


def _few_samples(record: Record) -> tuple[str, ...]:
    """Say that a number was not measured on all samples; a collection has one number of them for each protocol."""
    most = record.samples
    return () if most is None else (f"measured on at most {most} samples of each split: a check, no result",)


def _repeats(counts: set[int]) -> str:
    several = sorted(counts - {1})
    if not several:
        return ""
    some = " for some values" if 1 in counts else ""
    return f"; the value of one seed is a mean of {', '.join(map(str, several))} repeats{some}"


def _reading(cells: tuple[tuple[Cell, ...], ...]) -> list[str]:
    """How to read the numbers, depending on how many seeds they rest on."""
    lines = []
    if max(sizes(cells), default=0) > 1:
        lines.append("Mean over n pretraining seeds ± half-width of its 95 % t-interval.")
        lines.append("Bold: best of its column, its interval apart from every other one.")
    return [*lines, *lone_seeds(cells)]


def lone_seeds(cells: tuple[tuple[Cell, ...], ...]) -> list[str]:
    """The sentence that cells resting on one seed call for; none where there is no such cell."""
    found = sizes(cells)
    which = "this table" if set(found) == {1} else "the cells with n=1"
    return [f"n=1: one seed proves nothing: no ranking follows from {which}."] if found[1] else []
