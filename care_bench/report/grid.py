"""From records to cells: a collection, indexed by row and column."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, NamedTuple

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.artifacts.groups import Place
from care_bench.evaluation.protocols import METRICS, OURS
from care_bench.names import IMPORTED, REPRESENTATIONS, UNINFORMED
from care_bench.report.labels import Order, Variant, labels, metric_label, position
from care_bench.report.model import Cell, Column, seed_counts
from care_bench.report.statistics import best, summarise, summary_text
from care_bench.report.variants import Variants

SELECTION = "Selection: {}nothing selected on test data{}."
LAST, ELSEWHERE = "last checkpoint; ", " here; how imported encoders were chosen is not known"
READING = (
    "Numbers: the mean over n pretraining seeds ± the half-width of its 95 % t-interval; a number alone has one seed.",
    "Bold: best of its column, its interval apart from every other one. ↑ and ↓: which way is better.",
    "What each number means, and what cheats it: the glossary, near the end of this report.",
)
"""What holds for every table of a collection."""


def selection(records: Iterable[Record]) -> str:
    """Say which encoders were measured: of those that were imported, nobody here knows how they were chosen."""
    kinds = {record.method == IMPORTED for record in records}
    return SELECTION.format(LAST if False in kinds else "", ELSEWHERE if True in kinds else "")


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
        keys: of the columns, sorted.
        unmeasured: a sentence for each protocol or metric whose records on a data set all lack a value for the same
            reason. Such records have no key.
        variants: the rows of the records, and of those of other stages.
        labels: row labels.

    Args:
        collection: the records.
        epoch: of the snapshots to take; None for the encoders after the last step.
    """

    def __init__(self, collection: Collection, epoch: int | None = None) -> None:
        self.profile, self.order, self.epoch = collection.profile, Order(collection.variants), epoch
        self._columns: dict[Key, dict[Variant, list[Record]]] = {}
        self._winners: dict[Key, Variant | None] = {}
        self._seeds: dict[Key, set[int]] = {}
        self.variants = Variants(group[-1] for group in collection.groups.values())
        stage = {place: records for place, records in collection.groups.items() if place.epoch == epoch}
        backbones = _backbones(collection.groups)
        measured, self.unmeasured = _without_inapplicable(stage, self.order, backbones)
        for place in measured:
            self._columns.setdefault(_key(place, backbones), {})[self.variants.of(place)] = stage[place]
        # Of all stages together, so that a row has the same label in every table of a collection.
        self.labels = labels(set(map(self.variants.of, collection.groups)))
        self.keys = sorted(self._columns)
        protocols = {key.protocol: position(key.protocol, [known.id for known in OURS]) for key in self.keys}
        metrics = {key.metric: position(key.metric, METRICS) for key in self.keys}
        self._ranks: dict[str, Callable[[Key], Any]] = {
            "data": lambda key: (self.order.dataset(key.dataset), key.data),
            "protocol": lambda key: protocols[key.protocol],
            "representation": lambda key: REPRESENTATIONS.index(key.representation),
            "metric": lambda key: metrics[key.metric],
            "backbone": lambda key: key.backbone,
        }

    def sorted(self, keys: Iterable[Key], parts: Sequence[str], metrics: Sequence[str] = ()) -> list[Key]:
        """Sort keys by some of their parts, in the order of the report; ``metrics`` is another order of metrics."""
        ranks = dict(self._ranks)
        if metrics:
            ranks["metric"] = lambda key: metrics.index(key.metric)
        return sorted(keys, key=lambda key: [ranks[part](key) for part in parts])

    def column(self, key: Key, group: str, name: str) -> Column:
        """The column of a key, under a spanning header."""
        return Column(group, name, self._first(key).unit, self._direction(key), term=key.metric)

    def rows(self, keys: Iterable[Key]) -> list[Variant]:
        """Variants with a record under any of the keys, in the order of the keys' data sets."""
        wanted = set(keys)
        present = {variant for key in wanted for variant in self._columns[key]}
        return sorted(present, key=self.order.variants(key.dataset for key in wanted))

    def cell(self, variant: Variant | None, key: Key) -> Cell:
        """Mean over the pretraining seeds of a variant, or a blank that says why there is none."""
        records = [] if variant is None else self._columns[key].get(variant, [])
        if not records:
            return Cell(notes=(self._absent(variant, key),))
        ids = tuple(record.id for record in records)
        values = [record.value for record in records if record.value is not None]
        failures = _failures(records) if len(values) < len(records) else []
        notes = (*failures, *self._absent_seeds(records, key))
        if not values:
            return Cell(ids=ids, notes=notes)
        summary = summarise(values)
        return Cell(summary_text(summary, records[0].unit), summary, ids=ids, notes=(*notes, *_few_samples(records[0])))

    def cells(self, rows: Sequence[Variant | None], keys: Sequence[Key]) -> tuple[tuple[Cell, ...], ...]:
        """Rows of cells, the best of every column in bold where the intervals allow it; of snapshots, none.

        No row is called best by some of its seeds where others have no value, such as collapsed ones. Reference rows
        have no snapshots, so that nothing says whether a row without information would be better.
        """
        found = [[self.cell(variant, key) for key in keys] for variant in rows]
        directions = [self._direction(key) if self.epoch is None else None for key in keys]
        # The oracle is the ceiling, no method to be compared with.
        compared = [
            [None if row is not None and row.method == "oracle" else cell.summary for cell in cells]
            for row, cells in zip(rows, found, strict=True)
        ]
        winners = {(best([row[j] for row in compared], up), j) for j, up in enumerate(directions)}
        return tuple(
            tuple(
                replace(cell, bold=True) if (i, j) in winners and _whole(cell) else cell for j, cell in enumerate(row)
            )
            for i, row in enumerate(found)
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
        return None if self._uninformed_winner(key) else self._first(key).higher_is_better

    def _first(self, key: Key) -> Record:
        """A record of a column, for what all of them have in common."""
        return next(iter(self._columns[key].values()))[0]

    def _uninformed_winner(self, key: Key) -> Variant | None:
        """The reference row without information that has the best mean of a column, if there is one."""
        if key not in self._winners:
            self._winners[key] = _uninformed_winner(self._columns[key], self._first(key).higher_is_better)
        return self._winners[key]

    def protocols(self, keys: Iterable[Key]) -> str:
        """Name the protocols behind some columns, and the number of repeats behind the value of a seed."""
        repeats: dict[tuple[str, int], set[int]] = defaultdict(set)
        for key in keys:
            one = self._first(key)  # a collection has one version of each protocol
            repeats[one.protocol, one.protocol_version] |= {
                record.n for records in self._columns[key].values() for record in records if record.value is not None
            }
        named = [f"{name} (version {version}{_repeats(n)})" for (name, version), n in sorted(repeats.items())]
        return f"Protocol: {', '.join(named)}."

    def differing(self, rows: Iterable[Variant], keys: Iterable[Key]) -> str:
        """Name the rows whose method has other settings on another data set of some columns; "" if none has."""
        datasets = dict.fromkeys(key.dataset for key in keys)
        found = [(self.labels[row], self.variants.differing(row, datasets)) for row in rows]
        named = "; ".join(f"{', '.join(settings)} of {label}" for label, settings in found if settings)
        return f"Settings that differ between the data sets, as the section on settings says: {named}." if named else ""

    def _absent(self, variant: Variant | None, key: Key) -> str:
        """Say why a row has no record in a column."""
        others = (self._columns.get(key._replace(representation=name), {}) for name in REPRESENTATIONS)
        if variant is not None and any(variant in rows for rows in others):
            return f"no record of its {key.representation}"
        return f"not part of this collection of profile {self.profile}"

    def _absent_seeds(self, records: Sequence[Record], key: Key) -> list[str]:
        if key not in self._seeds:
            self._seeds[key] = {record.seed for group in self._columns[key].values() for record in group}
        absent = self._seeds[key] - {record.seed for record in records}
        seeds = ", ".join(str(seed) for seed in sorted(absent))
        return [f"no record of seed {seeds} in this collection of profile {self.profile}"] if absent else []


def _whole(cell: Cell) -> bool:
    """Return whether every run behind a cell has a value."""
    return cell.summary is not None and cell.summary.n == len(cell.ids)


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


def _backbones(groups: Mapping[Place, Sequence[Record]]) -> dict[str, str]:
    """Return the backbone that most records of each data set have, imported encoders apart; "" where there are none."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for place, records in groups.items():
        counts[place.dataset][place.backbone] += 0 if place.method == IMPORTED else len(records)
    return {
        dataset: max((name for name in found if found[name]), key=lambda name: (found[name], name), default="")
        for dataset, found in counts.items()
    }


def _key(place: Place, backbones: Mapping[str, str]) -> Key:
    backbone = backbones[place.dataset] if place.method == IMPORTED else place.backbone
    data = f"{place.dataset} ({backbone})" if backbone else place.dataset
    return Key(data, place.protocol, place.representation, place.metric, place.dataset, backbone)


def _without_inapplicable(
    groups: Mapping[Place, Sequence[Record]], order: Order, backbones: Mapping[str, str]
) -> tuple[list[Place], list[str]]:
    """Return groups to show, and sentences on metrics whose records all lack a value for the same reason."""
    places: dict[tuple[str, str, str], dict[str, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for place in groups:
        key = _key(place, backbones)
        places[key.dataset, key.data, key.protocol][key.metric].append(place)
    kept: list[Place] = []
    lines: list[str] = []
    for (_, data, protocol), metrics in sorted(places.items(), key=lambda item: (order.dataset(item[0][0]), item[0])):
        inapplicable: dict[str, list[str]] = defaultdict(list)
        for metric, found in metrics.items():
            reasons = {record.reason for place in found for record in groups[place]}
            if len(reasons) == 1 and (reason := reasons.pop()) is not None:
                inapplicable[reason].append(metric)
            else:
                kept += found
        for reason, without in inapplicable.items():
            names = ", ".join(map(metric_label, sorted(without, key=lambda metric: position(metric, METRICS))))
            what = protocol if len(without) == len(metrics) else f"{protocol} ({names})"
            count = sum(len(groups[place]) for metric in without for place in metrics[metric])
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


def _uninformed_winner(column: Mapping[Variant, list[Record]], higher_is_better: bool | None) -> Variant | None:
    """Return the reference row without information that has the best mean over the seeds but for the oracle's."""
    values = {
        row: [one.value for one in records if one.value is not None]
        for row, records in column.items()
        if row.method != "oracle"
    }
    means = {row: fmean(found) for row, found in values.items() if found}
    if higher_is_better is None or not any(row.method in UNINFORMED for row in means):
        return None
    top = (max if higher_is_better else min)(means.values())
    return next((row for row, mean in means.items() if mean == top and row.method in UNINFORMED), None)


def _repeats(counts: set[int]) -> str:
    several = sorted(counts - {1})
    some = " for some values" if 1 in counts else ""
    return f"; the value of one seed is a mean of {', '.join(map(str, several))} repeats{some}" if several else ""
