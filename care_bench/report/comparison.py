"""Two collections side by side: which numbers differ, and by how much of the spread over pretraining seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import TypeAlias

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.artifacts.record import Identity, code_versions
from care_bench.artifacts.settings import flattened
from care_bench.report.apart import why_apart
from care_bench.report.labels import labels, metric_label
from care_bench.report.statistics import number
from care_bench.report.variants import Variants
from care_bench.report.writers import csv_text

SHOWN = 15
"""Most differences that are printed; all are in the file."""
SETTINGS = 4
"""Most settings of a kind that are named where they differ."""
WIDTH = 100
ROUNDING = 1e-4
"""Relative difference of numbers that no seed changes, such as those of reference rows, that is taken for rounding."""
HEADER = (
    *("dataset", "row", "backbone", "epoch", "protocol", "metric", "representation", "first", "second", "difference"),
    *("relative_difference", "standard_deviations", "seeds_first", "seeds_second", "records_first", "records_second"),
)
BySeed: TypeAlias = dict[int, Record]
Groups: TypeAlias = dict[Identity, BySeed]


@dataclass(frozen=True)
class Difference:
    """A number that two collections have, each the mean over its seeds.

    Attributes:
        first, second: its records by seed.
        deviations: the difference over the standard deviation of one seed, pooled over both; None where both have one
            seed, or seeds do not differ.
    """

    first: BySeed
    second: BySeed
    deviations: float | None

    @property
    def means(self) -> tuple[float, float]:
        """Mean over the seeds of the first and of the second collection."""
        return _mean(self.first), _mean(self.second)

    @property
    def difference(self) -> float:
        """Second minus first."""
        first, second = self.means
        return second - first

    @property
    def relative(self) -> float:
        """Distance over the larger of the two; 0 where there is none, as between two zeros."""
        return abs(self.difference) / max(map(abs, self.means)) if self.difference else 0.0

    @property
    def size(self) -> tuple[float, float]:
        """What differences are ordered by: standard deviations, and where there are none the relative difference.

        Seeds that do not differ are infinitely many of them apart, unless by rounding; of one seed on each side nothing
        is known.
        """
        several = len(self.first) + len(self.second) > 2
        if self.deviations is None and self.relative > ROUNDING and several:
            return math.inf, self.relative
        return abs(self.deviations or 0.0), self.relative


@dataclass(frozen=True)
class Comparison:
    """Numbers of two collections, each a mean over seeds.

    Attributes:
        equal: how many are equal to the bit, seed by seed.
        differences: the others, the largest first.
        only_first, only_second: how many one of them has alone.
        other_version: how many were measured by another version of their protocol, which are not compared.
        settings: in which data, numbers of samples, and settings of the measurement and of the runs those differ that
            are compared, a line each.
        apart: where no number is in both, why; else "".
    """

    equal: int
    differences: tuple[Difference, ...]
    only_first: int
    only_second: int
    other_version: int
    settings: tuple[str, ...] = ()
    apart: str = ""


def compare(first: Sequence[Record], second: Sequence[Record]) -> Comparison:
    """Compare the numbers of two collections by data set, row, protocol, metric and epoch; profiles may differ."""
    ours, theirs = _grouped(first), _grouped(second)
    equal = other_version = 0
    differences = []
    for key in ours.keys() & theirs.keys():
        one, other = ours[key], theirs[key]
        versions = {record.protocol_version for found in (one, other) for record in found.values()}
        if len(versions) > 1:
            other_version += 1
        elif {seed: record.value for seed, record in one.items()} == {s: record.value for s, record in other.items()}:
            equal += 1
        else:
            differences.append(Difference(one, other, _deviations(one, other)))
    differences.sort(key=lambda found: (*(-part for part in found.size), next(iter(found.first.values())).identity))
    only = len(ours.keys() - theirs.keys()), len(theirs.keys() - ours.keys())
    pairs = [[next(iter(side[key].values())) for side in (ours, theirs)] for key in ours.keys() & theirs.keys()]
    settings = (
        *_other_data(pairs),
        *_other_settings("of the measurement", {(one.evaluation, other.evaluation) for one, other in pairs}),
        *_other_settings("of the runs", {(one.config, other.config) for one, other in pairs}),
    )
    apart = (
        ""
        if pairs
        else why_apart(*([next(iter(found.values())) for found in side.values()] for side in (ours, theirs)))
    )
    return Comparison(equal, tuple(differences), *only, other_version, settings, apart)


def comparison_lines(first: Collection, second: Collection, found: Comparison) -> list[str]:
    """Describe a comparison in a few lines for the terminal."""
    lines = [
        f"{name}: {one.key}, profile {one.profile}, {len(one.records)} records, code "
        f"{', '.join(code_versions(one.records))}"
        for name, one in (("first", first), ("second", second))
    ]
    lines += [
        f"{found.equal} numbers are equal to the bit, {len(found.differences)} differ",
        f"not compared: {found.only_first} in the first alone, {found.only_second} in the second, "
        f"{found.other_version} by another version of their protocol",
        *found.settings,
        *([found.apart] if found.apart else []),
    ]
    name_of = _names(first, found)
    for one in found.differences[:SHOWN]:
        record = next(iter(one.first.values()))
        texts = " -> ".join(number(mean, record.unit) for mean in one.means)
        spread = f"{one.relative:.2g} relative" if one.deviations is None else f"{one.deviations:+.2f} sd"
        lines.append(f"{texts} ({spread}): {_what(record)}, {name_of(record)}, {record.dataset}")
    if len(found.differences) > SHOWN:
        lines.append(f"and {len(found.differences) - SHOWN} more")
    return [line if len(line) <= WIDTH or line == found.apart else f"{line[: WIDTH - 1]}…" for line in lines]


def comparison_csv(first: Collection, found: Comparison) -> str:
    """Return all differences, the largest first, with rows as a report of the first collection names them."""
    name_of = _names(first, found)
    return csv_text(HEADER, (_row(one, name_of(next(iter(one.first.values())))) for one in found.differences))


def _row(one: Difference, name: str) -> tuple[object, ...]:
    record = next(iter(one.first.values()))
    return (
        *(record.dataset, name, record.backbone, "" if record.epoch is None else record.epoch),
        *(record.protocol, record.metric, record.representation, *one.means, one.difference, one.relative),
        "" if one.deviations is None else one.deviations,
        *(len(one.first), len(one.second)),
        *(" ".join(found.id for found in side.values()) for side in (one.first, one.second)),
    )


def _other_data(pairs: Iterable[Sequence[Record]]) -> Iterator[str]:
    """Name the data sets and the protocols of which the two sides have other content or other numbers of samples."""
    data: dict[str, str] = {}
    samples: dict[str, str] = {}
    for one, other in pairs:
        if one.data_sha256 != other.data_sha256:
            data[one.dataset] = f"{one.data_sha256[:12]} -> {other.data_sha256[:12]}"
        if one.samples != other.samples:
            samples[one.protocol] = " -> ".join(
                "all" if side is None else str(side) for side in (one.samples, other.samples)
            )
    yield from (f"content of data set {name} differs: {texts}" for name, texts in sorted(data.items()))
    yield from (f"numbers of samples of {name} differ: {texts}" for name, texts in sorted(samples.items()))


def _other_settings(whose: str, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Say in which settings JSON texts differ that stand for the same thing, apart from the profile and the seed."""
    differing: dict[str, str] = {}
    for one, other in sorted(pair for pair in pairs if pair[0] != pair[1]):
        sides = flattened(one), flattened(other)
        for key in sorted({key for side in sides for key in side} - {"profile", "seed"}):
            ours, theirs = (json.dumps(side[key]) if key in side else "absent" for side in sides)
            if ours != theirs:
                differing.setdefault(key, f"{ours} -> {theirs}")
    for key, texts in list(differing.items())[:SETTINGS]:
        yield f"settings {whose} differ: {key} {texts}"
    if len(differing) > SETTINGS:
        yield f"settings {whose} differ: and {len(differing) - SETTINGS} more"


def _what(record: Record) -> str:
    epoch = "" if record.epoch is None else f", epoch {record.epoch}"
    return f"{metric_label(record.metric)} of the {record.representation} ({record.protocol}{epoch})"


def _names(first: Collection, found: Comparison) -> Callable[[Record], str]:
    """Return what names the row of a record of the first collection, as a report of it does."""
    variants = Variants(first.records)
    records = [record for one in found.differences for record in one.first.values()]
    names = labels(set(map(variants.of, records)))
    return lambda record: names[variants.of(record)]


def _grouped(records: Sequence[Record]) -> Groups:
    """Return what is measured, whatever profile and seed -> its records by seed; missing values are left out."""
    found: Groups = {}
    for record in sorted(records, key=lambda record: record.seed):
        if record.value is not None:
            found.setdefault(record.identity._replace(profile="", seed=0), {})[record.seed] = record
    return found


def _mean(records: BySeed) -> float:
    return fmean(record.value for record in records.values() if record.value is not None)


def _deviations(first: BySeed, second: BySeed) -> float | None:
    one, other = ([record.value or 0.0 for record in found.values()] for found in (first, second))
    degrees = len(one) + len(other) - 2
    if degrees == 0:
        return None
    squares = sum(variance(side) * (len(side) - 1) for side in (one, other) if len(side) > 1)
    return (fmean(other) - fmean(one)) / math.sqrt(squares / degrees) if squares else None
