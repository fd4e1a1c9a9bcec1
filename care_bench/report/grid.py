"""From records to cells: a collection, indexed by row and column."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.evaluation.protocols import METRICS, OURS
from care_bench.names import IMPORTED, REPRESENTATIONS, UNINFORMED
from care_bench.report.labels import Order, Variant, labels, metric_label, position, variant_of
from care_bench.report.model import Cell, Column, seed_counts
from care_bench.report.statistics import best, summarise, summary_text

if TYPE_CHECKING:
    import pandas as pd

_BACKBONE = attrgetter("dataset", "backbone", "method")
READING = (
    "Selection: last checkpoint; nothing selected on test data.",
    "Numbers: the mean over n pretraining seeds ± the half-width of its 95 % t-interval; a number alone has one seed.",
    "Bold: best of its column, its interval apart from every other one. ↑ and ↓: which way is better.",
    "What each number means, and what cheats it: the glossary, near the end of this report.",
)
"""What holds for every table of a collection."""


class Key(NamedTuple):
    """What a column shows, for every variant.

    ``data`` is data set and backbone, such as `digits (convnet)`. Imported encoders stand in the columns of the
    backbone that most of the other records on their data set have; ``data`` is the data set where there are none.
    """

    data: str
    protocol: str
    representation: str
    metric: str
    dataset: str
    backbone: str


class Grid:
    """The records of a collection by row (variant) and column (key), those of one stage of training.

    Attributes:
        columns: frame with one row per key; its columns are ordered categories.
        unmeasured: a sentence for each protocol or metric whose records on a data set all lack a value for the same
            reason. Such records have no key.
        labels: row labels.

    Args:
        collection: the records.
        epoch: of the snapshots to take; None for the encoders after the last step.
    """

    def __init__(self, collection: Collection, epoch: int | None = None) -> None:
        self.profile, self.order = collection.profile, Order(collection.variants)
        self._cells: dict[tuple[Variant, Key], list[Record]] = defaultdict(list)
        self._records: dict[Key, list[Record]] = defaultdict(list)
        self._winners: dict[Key, Variant | None] = {}
        self._seeds: dict[Key, set[int]] = {}
        stage = [record for record in collection.records if record.epoch == epoch]
        backbones = _backbones(collection.records)
        measured, self.unmeasured = _without_inapplicable(stage, self.order, backbones)
        for record in measured:
            backbone = backbones[record.dataset] if record.method == IMPORTED else record.backbone
            place = record.protocol, record.representation, record.metric, record.dataset, backbone
            key = Key(_data(record.dataset, backbone), *place)
            self._cells[variant_of(record), key].append(record)
            self._records[key].append(record)
        # Of all stages together, so that a row has the same label in every table of a collection.
        self.labels = labels({variant_of(record) for record in collection.records})
        self.columns = self._ordered(list(self._records))

    def _ordered(self, keys: list[Key]) -> pd.DataFrame:
        import pandas as pd  # half a second that the page of settings does not need

        protocols = [protocol.id for protocol in OURS]
        orders = {
            "data": sorted(keys, key=lambda key: (self.order.dataset(key.dataset), key.data)),
            "protocol": sorted(keys, key=lambda key: position(key.protocol, protocols)),
            "representation": sorted(keys, key=lambda key: REPRESENTATIONS.index(key.representation)),
            "metric": sorted(keys, key=lambda key: position(key.metric, METRICS)),
        }
        return pd.DataFrame(sorted(keys), columns=Key._fields).astype(
            {
                part: pd.CategoricalDtype(list(dict.fromkeys(getattr(key, part) for key in found)), ordered=True)
                for part, found in orders.items()
            }
        )

    def column(self, key: Key, group: str, name: str) -> Column:
        """The column of a key, under a spanning header."""
        return Column(group, name, self._records[key][0].unit, self._direction(key), term=key.metric)

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
        summary = summarise(values)
        return Cell(summary_text(summary, records[0].unit), summary, ids=ids, notes=(*notes, *_few_samples(records[0])))

    def cells(self, rows: Sequence[Variant | None], keys: Sequence[Key]) -> tuple[tuple[Cell, ...], ...]:
        """Rows of cells, the best of every column in bold where the intervals allow it."""
        found = [[self.cell(variant, key) for key in keys] for variant in rows]
        directions = [self._direction(key) for key in keys]
        # The oracle is the ceiling, no method to be compared with.
        compared = [
            [None if row is not None and row.method == "oracle" else cell.summary for cell in cells]
            for row, cells in zip(rows, found, strict=True)
        ]
        winners = {(best([row[j] for row in compared], up), j) for j, up in enumerate(directions)}
        return tuple(
            tuple(replace(cell, bold=(i, j) in winners) for j, cell in enumerate(row)) for i, row in enumerate(found)
        )

    def cheated(self, keys: Iterable[Key]) -> list[str]:
        """Return a sentence that names the metrics which a reference row without information wins, and that row."""
        won: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            if winner := self._uninformed_winner(key):
                won[self.labels[winner]].append(metric_label(key.metric))
        if not won:
            return []
        named = "; ".join(f"{', '.join(dict.fromkeys(metrics))}: {label}" for label, metrics in won.items())
        return [f"No value is marked best where a row without information has it ({named})."]

    def _direction(self, key: Key) -> bool | None:
        """The better direction of a column; None where a row without information wins, too."""
        return None if self._uninformed_winner(key) else self._records[key][0].higher_is_better

    def _uninformed_winner(self, key: Key) -> Variant | None:
        """The reference row without information that has the best mean of a column, if there is one."""
        if key not in self._winners:
            self._winners[key] = _uninformed_winner(self._records[key])
        return self._winners[key]

    def protocols(self, keys: Iterable[Key]) -> str:
        """Name the protocols behind some columns, and the number of repeats behind the value of a seed."""
        repeats: dict[tuple[str, int], set[int]] = defaultdict(set)
        for record in (record for key in keys for record in self._records[key]):
            repeats[record.protocol, record.protocol_version] |= set() if record.value is None else {record.n}
        named = [f"{name} (version {version}{_repeats(n)})" for (name, version), n in sorted(repeats.items())]
        return f"Protocol: {', '.join(named)}."

    def _absent_seeds(self, records: Sequence[Record], key: Key) -> list[str]:
        if key not in self._seeds:
            self._seeds[key] = {record.seed for record in self._records[key]}
        absent = self._seeds[key] - {record.seed for record in records}
        seeds = ", ".join(str(seed) for seed in sorted(absent))
        return [f"no record of seed {seeds} in this collection of profile {self.profile}"] if absent else []


def reading(cells: Sequence[Sequence[Cell]]) -> list[str]:
    """Return sentences on the numbers of seeds in a table: said once, and in the cells that have another number."""
    counts = seed_counts(cells)
    if not counts or set(counts) == {1}:
        return lone_seeds(cells)
    usual = max(counts, key=lambda n: (counts[n], n))
    rest = " where a cell says nothing else" if len(counts) > 1 else ""
    return [f"Pretraining seeds: n={usual}{rest}.", *lone_seeds(cells)]


def lone_seeds(cells: Sequence[Sequence[Cell]]) -> list[str]:
    """Return the sentence on cells with one seed, if there are any."""
    found = seed_counts(cells)
    which = "this table" if set(found) == {1} else "the cells with n=1"
    return [f"n=1: one seed proves nothing: no ranking follows from {which}."] if found[1] else []


def _backbones(records: Iterable[Record]) -> dict[str, str]:
    """Return the backbone that most records of each data set have, imported encoders apart; "" where there are none."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for (dataset, backbone, method), number in Counter(map(_BACKBONE, records)).items():
        counts[dataset][backbone] += 0 if method == IMPORTED else number
    return {
        dataset: max((name for name in found if found[name]), key=lambda name: (found[name], name), default="")
        for dataset, found in counts.items()
    }


def _data(dataset: str, backbone: str) -> str:
    return f"{dataset} ({backbone})" if backbone else dataset


def _without_inapplicable(
    records: Iterable[Record], order: Order, backbones: Mapping[str, str]
) -> tuple[list[Record], list[str]]:
    """Return records to show, and sentences on metrics whose records all lack a value for the same reason."""
    places: dict[tuple[str, str, str], dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        backbone = backbones[record.dataset] if record.method == IMPORTED else record.backbone
        places[record.dataset, _data(record.dataset, backbone), record.protocol][record.metric].append(record)
    kept: list[Record] = []
    lines: list[str] = []
    for (_, data, protocol), metrics in sorted(places.items(), key=lambda item: (order.dataset(item[0][0]), item[0])):
        inapplicable: dict[str, list[str]] = defaultdict(list)
        for metric, found in metrics.items():
            reasons = {record.reason for record in found}
            if len(reasons) == 1 and (reason := reasons.pop()) is not None:
                inapplicable[reason].append(metric)
            else:
                kept += found
        for reason, without in inapplicable.items():
            names = ", ".join(map(metric_label, sorted(without, key=lambda metric: position(metric, METRICS))))
            what = protocol if len(without) == len(metrics) else f"{protocol} ({names})"
            count = sum(len(metrics[metric]) for metric in without)
            lines.append(f"{what}, {data}: {reason} (records without a value: {count}).")
    return kept, lines


def _failures(records: Sequence[Record]) -> list[str]:
    """Return the reasons of records without a value, with their seeds unless all records share one reason."""
    seeds: dict[str, list[int]] = defaultdict(list)
    for record in records:
        if record.reason is not None:
            seeds[record.reason].append(record.seed)
    if len(seeds) == 1 and len(next(iter(seeds.values()))) == len(records):
        return list(seeds)
    return [f"seed {', '.join(map(str, failed))}: {reason}" for reason, failed in seeds.items()]


def _few_samples(record: Record) -> tuple[str, ...]:
    """Say that a number was not measured on all samples; the same for all records of a protocol."""
    most = record.samples
    return () if most is None else (f"measured on at most {most} samples of each split: a check, no result",)


def _uninformed_winner(records: Sequence[Record]) -> Variant | None:
    """Return the reference row without information that has the best mean over the seeds, if there is one."""
    higher_is_better = records[0].higher_is_better
    values: dict[Variant, list[float]] = defaultdict(list)
    for record in records:
        if record.value is not None:
            values[variant_of(record)].append(record.value)
    if higher_is_better is None or not any(row.method in UNINFORMED for row in values):
        return None
    means = {row: fmean(found) for row, found in values.items()}
    top = (max if higher_is_better else min)(means.values())
    return next((row for row, mean in means.items() if mean == top and row.method in UNINFORMED), None)


def _repeats(counts: set[int]) -> str:
    several = sorted(counts - {1})
    some = " for some values" if 1 in counts else ""
    return f"; the value of one seed is a mean of {', '.join(map(str, several))} repeats{some}" if several else ""
