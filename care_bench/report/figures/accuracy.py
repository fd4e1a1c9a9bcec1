"""Accuracy against equivariance: every row of a collection, and the untrained encoder as their floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from care_bench.names import IMPORTED
from care_bench.report.figures.drawing import laid_out, legend, small_multiples
from care_bench.report.figures.looks import GREY, MARKERS, PAPER, Look, family_looks
from care_bench.report.figures.placing import label_points
from care_bench.report.figures.plots import Plot
from care_bench.report.figures.rows import REFERENCES, Measure, Rows
from care_bench.report.labels import Variant
from care_bench.report.statistics import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

TITLE = "Accuracy against equivariance"
ERROR = Measure("held-out-wahba-v1", "held_out_wahba", "features", "held-out error of the best map")
ACCURACIES = (
    Measure("knn-v1", "top1", "features", "kNN top-1 (%)"),
    Measure("first-pc-v1", "first_pc_r2", "features", "R² of the first component"),
)
"""What is known of a data set's samples: the first of them that was measured on it."""
MOST = 1.5
"""Largest error that is drawn; a larger one lies on the edge."""
MARGIN = 0.08
"""Room left and right of the points, as a share of how far they spread."""
PER_LINE = 2
"""Panels beside each other."""
FITTING = 29
"""Most rows that are explained in a free cell beside the panels."""
LONGEST = 28
"""Most letters of a label there."""
COLUMNS = (
    *("dataset", "row", "number", "accuracy_by", "seeds"),
    *("accuracy", "accuracy_low", "accuracy_high", "error", "error_low", "error_high"),
)


class Point(NamedTuple):
    """One row on one data set, over the pretraining seeds."""

    dataset: str
    row: Variant
    measured: Measure
    accuracy: Summary
    error: Summary


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

    None where no row has both numbers.
    """
    points = accuracy_points(rows)
    if not points:
        return None
    shown = list(dict.fromkeys(point.row for point in points if point.row.method not in REFERENCES))
    number = {row: place for place, row in enumerate(shown, start=1)}
    hollow = " Hollow: not trained here." if any(row.method == IMPORTED for row in shown) else ""
    seeds = sorted({point.error.n for point in points})
    return Plot(
        TITLE,
        "The features of every row, means over "
        f"{', '.join(map(str, seeds))} pretraining {'seed' if seeds == [1] else 'seeds'}"
        f"{'' if seeds == [1] else ' with 95 % t-intervals'}. Down is more equivariant: the error of the best map in "
        "O(d) on held-out samples, as a fraction of how far the augmentations move them. Right is more accurate. A "
        "line leads from a base method to a method that wraps it. The band is the floor: it begins at the untrained "
        f"encoder; above 1 a map is worse than none. Errors above {MOST:g} lie on the upper edge.{hollow}",
        "Scatter of the held-out error of the best map over accuracy, one panel per data set, with the untrained "
        "encoder as a dotted line and all that is less equivariant than it as a grey band.",
        COLUMNS,
        [
            (
                *(point.dataset, point.row.name, number.get(point.row), point.measured.label, point.error.n),
                *(point.accuracy.mean, point.accuracy.low, point.accuracy.high),
                *(point.error.mean, point.error.low, point.error.high),
            )
            for point in points
        ],
        lambda: _drawn(rows, points, number),
    )


def _drawn(rows: Rows, points: Sequence[Point], number: Mapping[Variant, int]) -> Canvas:
    datasets = list(dict.fromkeys(point.dataset for point in points))
    looks = _looks(list(number))
    columns = min(PER_LINE, len(datasets))
    canvas, grid = small_multiples(-(-len(datasets) // columns), columns, 3.0, 3.9 * columns)
    panels = [panel for line in grid for panel in line]
    for panel in panels[len(datasets) :]:
        panel.set_visible(False)
    for panel, dataset in zip(panels, datasets, strict=False):
        here = [point for point in points if point.dataset == dataset]
        _bands(panel, here)
        for family in rows.families(dataset):
            _link(panel, {point.row: point for point in here}, family)
        for point in here:
            if point.row in looks:
                _mark(panel, point, looks[point.row], f"{number[point.row]}  {rows.names[point.row]}")
        panel.set_xlim(*_limits([one.accuracy for one in here if one.row in looks or _untrained(one)]))
        panel.set_ylim(0, MOST)
        panel.set_xlabel(here[0].measured.label)
        panel.set_title(dataset)
    for line in grid:
        line[0].set_ylabel(ERROR.label)
    free = panels[len(datasets) :]
    if free and len(number) <= FITTING and max(len(rows.names[row]) for row in number) <= LONGEST:
        legend(canvas, panels[: len(datasets)], 2, free[0])
    else:
        legend(canvas, panels[: len(datasets)], max(1, round(1.6 * columns)))
    laid_out(canvas)
    for panel, dataset in zip(panels, datasets, strict=False):
        label_points(
            panel,
            [
                (one.accuracy.mean, min(one.error.mean, MOST), str(number[one.row]))
                for one in points
                if one.dataset == dataset and one.row in number
            ],
        )
    return canvas


def _looks(rows: Sequence[Variant]) -> dict[Variant, Look]:
    """Return colours by method and markers by base method."""
    named = family_looks(rows)
    bases = list(dict.fromkeys(row.base or row.method for row in rows if row.method != IMPORTED))
    return {
        row: named[row.method if row.base and row.method in named else ""][1]._replace(
            marker="o" if row.method == IMPORTED else MARKERS[bases.index(row.base or row.method) % len(MARKERS)]
        )
        for row in rows
    }


def _untrained(point: Point) -> bool:
    return REFERENCES.get(point.row.method) == "untrained"


def _bands(panel: Axes, points: Sequence[Point]) -> None:
    for floor in filter(_untrained, points):
        lowest = min(floor.error.mean, MOST)
        panel.axhspan(lowest, MOST, color=GREY, alpha=0.12, linewidth=0, label="untrained or worse")
        panel.axvline(floor.accuracy.mean, color=GREY, linewidth=0.8, linestyle=":", label="untrained, accuracy")
    panel.axhline(1.0, color=GREY, linewidth=0.8, linestyle="--", label="no map")


def _link(panel: Axes, points: Mapping[Variant, Point], family: Sequence[Variant]) -> None:
    for row in family[1:]:
        if row in points and family[0] in points:
            ends = [points[family[0]], points[row]]
            heights = [min(one.error.mean, MOST) for one in ends]
            panel.plot([one.accuracy.mean for one in ends], heights, color=GREY, alpha=0.6, linewidth=0.6, zorder=1)


def _mark(panel: Axes, point: Point, look: Look, label: str) -> None:
    x, y = point.accuracy, point.error
    hollow = point.row.method == IMPORTED
    for one, line in ((x, panel.hlines), (y, panel.vlines)):
        if one.low is not None and one.high is not None:
            at = min(y.mean, MOST) if one is x else x.mean
            line(
                at, one.low, min(one.high, MOST) if one is y else one.high, color=look.colour, linewidth=0.8, alpha=0.6
            )
    panel.plot(
        [x.mean],
        [min(y.mean, MOST)],
        linestyle="none",
        marker=look.marker,
        color=look.colour,
        markersize=5,
        markerfacecolor="none" if hollow else look.colour,
        markeredgecolor=look.colour if hollow else PAPER,
        markeredgewidth=1.2 if hollow else 0.5,
        clip_on=False,
        label=label,
        zorder=3,
    )


def _limits(found: Sequence[Summary]) -> tuple[float, float]:
    """Return where an axis through all means begins and ends, with a margin; one value alone is in its middle."""
    low, high = min(one.mean for one in found), max(one.mean for one in found)
    room = MARGIN * ((high - low) or abs(high) or 1.0)
    return low - room, high + room
