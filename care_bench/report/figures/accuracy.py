"""Accuracy against equivariance: every row of a collection, and the untrained encoder as their floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from care_bench.names import IMPORTED
from care_bench.report.figures.accuracy_drawing import (
    ERROR,
    Point,
    drawn_accuracy,
    frames_of,
    is_raw,
    is_untrained,
)
from care_bench.report.figures.plots import Plot
from care_bench.report.figures.rows import REFERENCES, Measure, Rows
from care_bench.report.labels import Variant

TITLE = "Accuracy against equivariance"
ACCURACIES = (
    Measure("knn-v1", "top1", "features", "kNN top-1 (%)"),
    Measure("first-pc-v1", "first_pc_r2", "features", "R² of the first component"),
)
"""What is known of a data set's samples: the first of them that was measured on it."""
PER_LINE = 2
"""Panels beside each other, on a wide page."""
FEW = 12
"""Most rows of a data set that are all numbered; of more, those that stand out."""
COLUMNS = (
    *("dataset", "row", "number", "accuracy_by", "seeds"),
    *("accuracy", "accuracy_low", "accuracy_high", "error", "error_low", "error_high"),
)


def accuracy_points(rows: Rows) -> list[Point]:
    """Return the rows that have both numbers, of encoders after the last step, in the order of the profile."""
    errors, points = rows.summaries(ERROR), []
    for dataset in rows.datasets:
        known = next((one for one in ACCURACIES if any(name == dataset for name, _ in rows.records(one))), None)
        accuracies = rows.summaries(known) if known else {}
        points += [
            Point(dataset, row, known, accuracies[dataset, row], errors[dataset, row])
            for row in rows.rows(dataset)
            if known and (dataset, row) in accuracies and (dataset, row) in errors
        ]
    return points


def accuracy_plot(rows: Rows) -> Plot | None:
    """Return what the features know of the samples against how well a map predicts their views.

    None where no row but reference rows has both numbers.
    """
    points = accuracy_points(rows)
    shown = list(dict.fromkeys(point.row for point in points if point.row.method not in REFERENCES))
    if not shown:
        return None
    number = _numbered(points, shown)
    return Plot(
        TITLE,
        _caption(rows, points, shown, number),
        "Scatter of the held-out error of the best map over accuracy, one panel per data set"
        + (
            ", with the untrained encoder as a dotted line and all that is less equivariant than it as a grey band."
            if any(map(is_untrained, points))
            else "."
        ),
        COLUMNS,
        [
            (
                *(
                    point.dataset,
                    point.row.name,
                    number.get((point.dataset, point.row)),
                    point.measured.label,
                    point.error.n,
                ),
                *(point.accuracy.mean, point.accuracy.low, point.accuracy.high),
                *(point.error.mean, point.error.low, point.error.high),
            )
            for point in points
        ],
        lambda: drawn_accuracy(rows, points, shown, number, PER_LINE),
        narrow=lambda: drawn_accuracy(rows, points, shown, number, 1),
        labels=tuple(dict.fromkeys(rows.names[row] for _, row in number)),
    )


def _numbered(points: Sequence[Point], shown: Sequence[Variant]) -> dict[tuple[str, Variant], int]:
    """Number the rows of each data set: all of one with few, else those of which none is better in both numbers.

    A row has one number, on every data set where it has any.
    """
    found = set()
    for dataset in {point.dataset for point in points}:
        here = [point for point in points if point.dataset == dataset and point.row in shown]
        found |= {
            (dataset, one.row)
            for one in here
            if len(here) <= FEW
            or not any(other.accuracy.mean > one.accuracy.mean and other.error.mean < one.error.mean for other in here)
        }
    numbered = {row for _, row in found}
    place = {row: number for number, row in enumerate((row for row in shown if row in numbered), start=1)}
    return {(dataset, row): place[row] for dataset, row in found}


def _caption(
    rows: Rows, points: Sequence[Point], shown: Sequence[Variant], number: Mapping[tuple[str, Variant], int]
) -> str:
    """Say what is drawn, and nothing of what this collection lacks."""
    seeds = sorted({point.error.n for point in points})
    places, frames = {(point.dataset, point.row) for point in points}, frames_of(points, shown)
    linked = any(
        len([row for row in family if (dataset, row) in places]) > 1 and (dataset, family[0]) in places
        for dataset in rows.datasets
        for family in rows.families(dataset)
    )
    return " ".join(
        [
            f"The features of every row{' drawn' if rows.cut else ''}, means over {', '.join(map(str, seeds))} "
            f"pretraining {'seed' if seeds == [1] else 'seeds'}{'' if seeds == [1] else ' with 95 % t-intervals'}.",
            "Down is more equivariant: the error of the best map in O(d) on held-out samples, as a fraction of how far "
            "the augmentations move them; above 1 a map is worse than none.",
            "Right is more accurate.",
            *(
                [
                    f"Where a data set has more than {FEW} rows, numbers and intervals are of those rows of which "
                    f"no other is better in both{'.' if rows.cut else '; the data have all.'}"
                ]
                if len(number) < sum(point.row in shown for point in points)
                else []
            ),
            *(["A line leads from a base method to a method that wraps it."] if linked else []),
            *(["The band is the floor: it begins at the untrained encoder."] if any(map(is_untrained, points)) else []),
            *(["The cross is the inputs themselves."] if any(map(is_raw, points)) else []),
            *(
                ["A point on the upper or left edge lies beyond it."]
                if any(
                    (point.accuracy.mean, point.error.mean) != frames[point.dataset].place(point)
                    for point in points
                    if point.row in shown or is_untrained(point) or is_raw(point)
                )
                else []
            ),
            *(["Hollow: not trained here."] if any(row.method == IMPORTED for row in shown) else []),
        ]
    )
