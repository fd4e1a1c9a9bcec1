"""The records of a collection by what figures show of them: rows, measures, means over pretraining seeds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeAlias

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.artifacts.settings import Setting, flattened
from care_bench.config import METHOD_SETTINGS
from care_bench.names import IMPORTED, Representation
from care_bench.report.labels import Order, Variant, method_label
from care_bench.report.labels import labels as full_labels
from care_bench.report.statistics import Summary, summarise
from care_bench.report.variants import Variants

REFERENCES = {name: entry.reference for name, entry in METHOD_SETTINGS.data.items() if entry.reference}
"""Method of a reference row -> which it is."""
PER_ROW = ("profile", "dataset", "variant", "seed")
"""Settings that name a run and do not change how it is trained, apart from the seed."""

MOST = 64
"""Most rows of a data set in figures: more cannot be told apart, and each takes a tenth of a second."""
BASES = 8
"""Most base methods beside each other, in figures of a data set with more rows than that."""

Place: TypeAlias = tuple[str, Variant]
"""Data set and row."""


class Measure(NamedTuple):
    """A number that is measured of every row, and its label on an axis."""

    protocol: str
    metric: str
    representation: Representation
    label: str


WAHBA = Measure("wahba-v1", "wahba_error_per_sample", "projection", "Wahba's error per sample")
HELD_OUT = Measure("held-out-wahba-v1", "held_out_wahba", "projection", "held-out error")
GAMMA = Measure("relative-equivariance-v1", "gamma_median", "projection", "γ, median")
MOVED = Measure("relative-equivariance-v1", "invariance", "projection", "distance to invariance")
PROBES = tuple(
    Measure(protocol, "top1", "features", "top-1 (%)")
    for protocol in ("paper-small-v1", "paper-imagenet100-v1", "cached-v1", "knn-v1")
)
"""Accuracies, the first that was measured is shown."""


class Rows:
    """The rows of a collection in the order of its profile.

    Attributes:
        profile: name of the profile.
        datasets: names, in order.
        variants: the rows of all records.
        names: row -> a short label for figures.
        illustrations: what no record holds, by data set; empty where the collection has none.
        cut: data set -> the number of its rows, where only ``MOST`` of them are drawn.
    """

    def __init__(self, collection: Collection) -> None:
        order = Order(collection.variants)
        self.key, self.profile = collection.key, collection.profile
        self._stages: dict[int | None, dict[Measure, dict[Place, list[Record]]]] = {}
        self.illustrations = collection.illustrations
        self._groups = collection.groups
        self._summaries: dict[tuple[Measure, int | None], dict[Place, Summary]] = {}
        self.datasets = sorted({place.dataset for place in collection.groups}, key=order.dataset)
        self.variants = Variants(group[-1] for group in collection.groups.values())
        found = {
            (place.dataset, self.variants.of(place)): group[-1].config for place, group in collection.groups.items()
        }
        self._configs = {place: flattened(config) for place, config in found.items()}
        every = {
            dataset: sorted((row for name, row in found if name == dataset), key=order.variants([dataset]))
            for dataset in self.datasets
        }
        self._rows = {dataset: _drawn(rows) for dataset, rows in every.items()}
        self.cut = {dataset: len(rows) for dataset, rows in every.items() if len(rows) > MOST}
        self.names = short_labels(row for _, row in found)

    @cached_property
    def places(self) -> list[Place]:
        """Data sets with their rows, in order."""
        return [(dataset, row) for dataset in self.datasets for row in self._rows[dataset]]

    @cached_property
    def epochs(self) -> list[int]:
        """Epochs of the snapshots, rising."""
        return sorted({place.epoch for place in self._groups if place.epoch is not None})

    def rows(self, dataset: str) -> list[Variant]:
        """Return the rows of a data set, in order."""
        return self._rows[dataset]

    def settings(self, place: Place) -> Mapping[str, Setting]:
        """Return the flat settings of a row; the seed is that of one of its runs."""
        return self._configs[place]

    def shared(self, place: Place) -> dict[str, Setting]:
        """Return the settings of a row beside those of its method."""
        found = self._configs[place].items()
        return {key: value for key, value in found if key not in PER_ROW and not key.startswith("method.")}

    def records(self, measure: Measure, epoch: int | None = None) -> dict[Place, list[Record]]:
        """Return the records with a value, in the order of places, then of seeds."""
        if epoch not in self._stages:
            self._stages[epoch] = defaultdict(lambda: defaultdict(list))
            for place, records in self._groups.items():
                if place.epoch == epoch and (known := [record for record in records if record.value is not None]):
                    key = Measure(place.protocol, place.metric, place.representation, "")
                    self._stages[epoch][key][place.dataset, self.variants.of(place)] += known
        found = self._stages[epoch].get(measure._replace(label=""), {})
        return {place: sorted(found[place], key=lambda record: record.seed) for place in self.places if place in found}

    def summaries(self, measure: Measure, epoch: int | None = None) -> dict[Place, Summary]:
        """Return mean and 95 % t-interval over the pretraining seeds, in the order of places."""
        key = measure._replace(label=""), epoch
        if key not in self._summaries:
            self._summaries[key] = {
                place: summarise([record.value for record in records if record.value is not None])
                for place, records in self.records(measure, epoch).items()
            }
        return self._summaries[key]

    def draws(self, measure: Measure) -> dict[Place, list[float]]:
        """Return the repeats that are behind the values, such as one per draw, each a mean over the seeds.

        Rows are left out where a seed has no repeats, or where seeds have different numbers of them.
        """
        found: dict[Place, list[float]] = {}
        for place, records in self.records(measure).items():
            repeats = [record.values for record in records if record.values is not None]
            if len(repeats) == len(records) and len(set(map(len, repeats))) == 1:
                found[place] = [sum(each) / len(each) for each in zip(*repeats, strict=True)]
        return found

    def first(self, measures: Sequence[Measure], dataset: str) -> Measure | None:
        """Return the first of several measures that was taken on a data set."""
        return next((one for one in measures if any(name == dataset for name, _ in self.records(one))), None)

    def wrappers(self, dataset: str) -> list[list[Variant]]:
        """Return every base method that others wrap: its row, then all rows that wrap it.

        The wrapped settings are the row's own, and encoder, augmentation and training are the same.
        """
        own = {row: self._comparable((dataset, row), "method.") for row in self._rows[dataset] if row.base is None}
        inner = {row: self._comparable((dataset, row), "method.base.") for row in self._rows[dataset] if row.base}
        found = [[base, *(row for row in inner if inner[row] == own[base])] for base in own]
        return [family for family in found if len(family) > 1]

    def families(self, dataset: str) -> list[list[Variant]]:
        """Return every base method that others wrap: its row, then the first row of each method that wraps it.

        Where not all rows are drawn, these are the first ``BASES``: each is a panel, which has to have room.
        """
        found = []
        for base, *wrapping in self.wrappers(dataset):
            first: dict[str, Variant] = {}
            for row in wrapping:
                first.setdefault(row.method, row)
            found.append([base, *first.values()])
        return found[:BASES] if dataset in self.cut else found

    def _comparable(self, place: Place, prefix: str) -> dict[str, Setting]:
        """Return the settings of a method below ``prefix`` without it, and those beside the method."""
        own = {key.removeprefix(prefix): value for key, value in self._configs[place].items() if key.startswith(prefix)}
        return {**own, **self.shared(place)}


def _drawn(rows: Sequence[Variant]) -> list[Variant]:
    """Return the first ``MOST`` of some rows, in their order; one of each kind of reference row is among them."""
    first: dict[str, int] = {}
    for place, row in enumerate(rows):
        first.setdefault(row.method, place)
    floors = {place for method, place in first.items() if method in REFERENCES}
    chosen = sorted(range(len(rows)), key=lambda place: (place not in floors, place))[:MOST]
    return [rows[place] for place in sorted(chosen)]


def short_labels(rows: Iterable[Variant]) -> dict[Variant, str]:
    """Name rows for figures: method and base where they say all, such as `CARE (SimCLR)`, else the row's own name.

    An invariance weight is written as short as can be: `CARE (SimCLR, invariance 0.1)`.
    """
    full = full_labels(set(rows))
    found = {row: _short(row, label) for row, label in full.items()}
    taken = Counter(found.values())
    return {row: row.name if taken[label] > 1 else label for row, label in found.items()}


def _short(row: Variant, label: str) -> str:
    if row.method in REFERENCES:
        return str(REFERENCES[row.method])
    if row.method == IMPORTED or label.endswith(f"[{row.name}]"):
        return row.name
    released = ", released code" if row.fidelity == "released-code" else ""
    return method_label(row.method, row.base, row.setting.replace(" weight ", " ")) + released
