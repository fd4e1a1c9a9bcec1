"""What a collection says, in two sentences for each data set: its rows beside the untrained encoder and the inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from care_bench.report.figures.accuracy import ACCURACIES
from care_bench.report.figures.accuracy_drawing import ERROR
from care_bench.report.figures.rows import MOST, REFERENCES, Measure, Rows
from care_bench.report.labels import Variant
from care_bench.report.statistics import summarise

LESS, MORE, ALIKE = "less", "more", "alike"
"""Whether a row has a lower or a higher number than a reference row, or its interval holds both."""
OTHER = {LESS: MORE, MORE: LESS}

Seeds = Mapping[int, float]
"""Pretraining seed -> value."""


@dataclass(frozen=True)
class _Beside:
    """Rows of a data set beside one reference row.

    Attributes:
        floor: mean of the reference row.
        sides: row -> ``LESS``, ``MORE`` or ``ALIKE``.
        means: row -> its mean.
        seeds: fewest and most seeds of the comparisons by intervals; (1, 1) where no row has several.
        drawn: number of rows of the data set that are compared, where these are not all of it; else 0.
    """

    floor: float
    sides: dict[Variant, str]
    means: dict[Variant, float]
    seeds: tuple[int, int]
    drawn: int

    def counted(self, better: str) -> str:
        """Say how many rows are better, worse, and neither."""
        numbers = Counter(self.sides.values())
        rows = f"{len(self.sides)} other row{'' if len(self.sides) == 1 else 's'}"
        rows += f" among the first {self.drawn}" if self.drawn else ""
        text = f"{better}: {numbers[better]} of {rows}, {OTHER[better]}: {numbers[OTHER[better]]}"
        low, high = self.seeds
        if high == 1:
            return f"{text} (one seed each)"
        seeds = f"{low} seeds" if low == high else f"{low} to {high} seeds"
        return f"{text}, not told apart: {numbers[ALIKE]} (paired 95 % intervals, {seeds})"

    def best(self, better: str) -> Variant | None:
        """Return the best row; None where none is better, or one seed cannot say."""
        found = [row for row, side in self.sides.items() if side == better] if self.seeds[1] > 1 else []
        return min(found, key=lambda row: self.means[row] * (1 if better == LESS else -1), default=None)


def findings(rows: Rows) -> Iterator[str]:
    """Yield sentences on the features of each data set's rows but reference rows, of encoders after the last step.

    Rows are compared with a reference row seed by seed, by the 95 % t-interval of the difference; where all rows have
    one seed, by their numbers alone.
    """
    for dataset in rows.datasets:
        error = _beside(rows, dataset, ERROR, "untrained")
        if error is not None:
            yield (
                f"{dataset}: one rotation or reflection of the untrained encoder's features leaves {error.floor:.3g} "
                f"of the motion of unseen samples unexplained; {error.counted(LESS)}"
                f"{_named(rows, error, LESS)}."
            )
        measure = rows.first(ACCURACIES, dataset)
        accuracy = None if measure is None else _beside(rows, dataset, measure, "raw")
        if measure is not None and accuracy is not None:
            yield (
                f"{dataset}: {measure.label} on the inputs themselves is {accuracy.floor:.3g}; "
                f"{accuracy.counted(MORE)}{_named(rows, accuracy, MORE)}."
            )


def _beside(rows: Rows, dataset: str, measure: Measure, reference: str) -> _Beside | None:
    """Compare; None where the reference row or all others have no number."""
    values = {
        row: {record.seed: record.value for record in records if record.value is not None}
        for (name, row), records in rows.records(measure).items()
        if name == dataset
    }
    floors = [seeds for row, seeds in values.items() if REFERENCES.get(row.method) == reference]
    pairs = {
        row: [value - floors[0][seed] for seed, value in seeds.items() if seed in floors[0]]
        for row, seeds in values.items()
        if floors and row.method not in REFERENCES
    }
    pairs = {row: differences for row, differences in pairs.items() if differences}
    if not pairs:
        return None
    numbers = [len(differences) for differences in pairs.values()]
    several = [number for number in numbers if number > 1] or [1]
    sides = {row: _side(differences, max(numbers)) for row, differences in pairs.items()}
    means = {row: fmean(values[row].values()) for row in sides}
    drawn = MOST if dataset in rows.cut else 0
    return _Beside(fmean(floors[0].values()), sides, means, (min(several), max(several)), drawn)


def _side(differences: list[float], most: int) -> str:
    """Return the side of a row; one seed decides nothing where other rows have several."""
    if len(differences) < min(most, 2):
        return ALIKE
    found = summarise(differences)
    low, high = (found.mean if end is None else end for end in (found.low, found.high))
    return LESS if high < 0 else MORE if low > 0 else ALIKE


def _named(rows: Rows, found: _Beside, better: str) -> str:
    row = found.best(better)
    if row is None:
        return ""
    return f"; {'least' if better == LESS else 'most'}: {rows.names[row]}, {found.means[row]:.3g}"
