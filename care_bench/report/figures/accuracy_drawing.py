"""Points, bands and labels of accuracy against equivariance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from care_bench.names import IMPORTED
from care_bench.report.figures.drawing import laid_out, legend, small_multiples
from care_bench.report.figures.looks import GREY, MARKERS, PAPER, Look, family_looks
from care_bench.report.figures.placing import label_points
from care_bench.report.figures.rows import REFERENCES, Measure, Rows
from care_bench.report.labels import Variant, method_label
from care_bench.report.statistics import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

ERROR = Measure("held-out-wahba-v1", "held_out_wahba", "features", "held-out error of the best map")
MOST, USUAL = 1.5, 1.1
"""Largest error that is drawn, and the end of the axis where all are smaller; a larger one lies on the edge."""
MARGIN = 0.08
"""Room left and right of the points, as a share of how far they spread."""
LEAST = 0.05
"""Least share of all accuracies that an axis spans."""
CROWD, ALONE_BY = 4, 2
"""The least accurate row lies on the edge if there are that many other points, and its distance to the next is more
than so many times their spread."""
PANEL, ALONE, NARROW = 3.9, 4.8, 3.6
"""Width of a panel beside another, of one alone, and of a figure for a narrow page, in inches."""
FITTING = 29
"""Most lines of a legend in a free cell beside the panels."""
LONGEST = 33
"""Most letters of a label there."""


class Point(NamedTuple):
    """One row on one data set, over the pretraining seeds."""

    dataset: str
    row: Variant
    measured: Measure
    accuracy: Summary
    error: Summary


class Frame(NamedTuple):
    """The part of the plane that a panel shows; a point outside lies on its edge.

    Attributes:
        left, right: ends of the axis of accuracies.
        top: end of the axis of errors, which begins at 0.
    """

    left: float
    right: float
    top: float

    @classmethod
    def around(cls, points: Sequence[Point]) -> Frame:
        """Return the frame of at least one point, with a margin; one accuracy alone is in its middle."""
        lowest, *others = sorted(points, key=lambda point: point.accuracy.mean)
        low, high = lowest.accuracy.mean, (others or [lowest])[-1].accuracy.mean
        if len(others) >= CROWD and not (is_untrained(lowest) or is_raw(lowest)):
            second = others[0].accuracy.mean
            low = second if second - low > ALONE_BY * (high - second) else low
        whole = 100.0 if lowest.measured.label.endswith("(%)") else 1.0
        if 0 < high - low < LEAST * whole:  # so few of a few hundred test samples are no difference
            middle = (low + high) / 2
            low, high = middle - LEAST * whole / 2, middle + LEAST * whole / 2
        room = MARGIN * ((high - low) or abs(high) or 1.0)
        top = USUAL if all(point.error.mean < USUAL for point in points) else MOST
        return cls(low - room, min(high + room, whole), top)

    def place(self, point: Point) -> tuple[float, float]:
        """Return where a point lies."""
        return max(point.accuracy.mean, self.left), min(point.error.mean, self.top)


def is_untrained(point: Point) -> bool:
    """Whether a point is that of the untrained encoder, the floor."""
    return REFERENCES.get(point.row.method) == "untrained"


def is_raw(point: Point) -> bool:
    """Whether a point is that of the inputs themselves."""
    return REFERENCES.get(point.row.method) == "raw"


def drawn_accuracy(
    rows: Rows,
    points: Sequence[Point],
    shown: Sequence[Variant],
    number: Mapping[tuple[str, Variant], int],
    per_line: int,
) -> Canvas:
    """Draw a panel for each data set, ``per_line`` of them beside each other, with one legend.

    Args:
        rows: those of the collection.
        points: one per data set and row.
        shown: the rows that have a look.
        number: of a data set and a row, where the row stands out there.
        per_line: panels beside each other.
    """
    datasets = list(dict.fromkeys(point.dataset for point in points))
    looks, frames = _looks(shown), frames_of(points, shown)
    columns = min(per_line, len(datasets))
    width = NARROW if per_line == 1 else ALONE if columns == 1 else PANEL * columns
    canvas, grid = small_multiples(-(-len(datasets) // columns), columns, 3.2 if width == ALONE else 3.0, width)
    panels = [panel for line in grid for panel in line]
    for panel in panels[len(datasets) :]:
        panel.set_visible(False)
    numbered = {row: place for (_, row), place in number.items()}
    labels = {row: f"{numbered[row]}  {rows.names[row]}" if row in numbered else _kind(row) for row in shown}
    for panel, dataset in zip(panels, datasets, strict=False):
        here, frame = [point for point in points if point.dataset == dataset], frames[dataset]
        _bands(panel, here, frame)
        for family in rows.families(dataset):
            _link(panel, {point.row: point for point in here}, family, frame)
        for point in sorted((one for one in here if one.row in looks), key=lambda one: numbered.get(one.row, math.inf)):
            _mark(panel, point, frame, looks[point.row], labels[point.row], whole=(dataset, point.row) in number)
        panel.set_xlim(frame.left, frame.right)
        panel.set_ylim(0, frame.top)
        panel.set_xlabel(here[0].measured.label)
        panel.set_title(dataset)
    for line in grid:
        line[0].set_ylabel(ERROR.label)
    free, lines = panels[len(datasets) :], set(labels.values())
    if free and len(lines) <= FITTING and max(map(len, lines)) <= LONGEST:
        legend(canvas, panels[: len(datasets)], 2, free[0])
    else:
        legend(canvas, panels[: len(datasets)], 4, below=True)
    laid_out(canvas)
    for panel, dataset in zip(panels, datasets, strict=False):
        label_points(
            panel,
            [
                (*frames[dataset].place(one), str(number.get((dataset, one.row), "")))
                for one in points
                if one.dataset == dataset and one.row in looks
            ],
        )
    return canvas


def frames_of(points: Sequence[Point], shown: Sequence[Variant]) -> dict[str, Frame]:
    """Return the frame of each data set: of the rows shown, the untrained encoder and the inputs."""
    seen = [point for point in points if point.row in shown or is_untrained(point) or is_raw(point)]
    return {
        dataset: Frame.around([point for point in seen if point.dataset == dataset])
        for dataset in dict.fromkeys(point.dataset for point in points)
    }


def _kind(row: Variant) -> str:
    """Return what the look of rows that have no number says of them."""
    return "not trained here" if row.method == IMPORTED else f"other {method_label(row.method, row.base)}"


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


def _bands(panel: Axes, points: Sequence[Point], frame: Frame) -> None:
    for floor in filter(is_untrained, points):
        panel.axhspan(frame.place(floor)[1], frame.top, color=GREY, alpha=0.12, linewidth=0, label="untrained or worse")
        panel.axvline(floor.accuracy.mean, color=GREY, linewidth=0.8, linestyle=":", label="untrained, accuracy")
    for raw in filter(is_raw, points):
        x, y = frame.place(raw)
        panel.plot([x], [y], linestyle="none", marker="x", color=GREY, markersize=6, clip_on=False, label="raw inputs")
    panel.axhline(1.0, color=GREY, linewidth=0.8, linestyle="--", label="no map")


def _link(panel: Axes, points: Mapping[Variant, Point], family: Sequence[Variant], frame: Frame) -> None:
    for row in family[1:]:
        if row in points and family[0] in points:
            ends = zip(frame.place(points[family[0]]), frame.place(points[row]), strict=True)
            panel.plot(*map(list, ends), color=GREY, alpha=0.6, linewidth=0.6, zorder=1)


def _mark(panel: Axes, point: Point, frame: Frame, look: Look, label: str, *, whole: bool) -> None:
    """Draw a point, with its intervals if it is to be seen ``whole``."""
    x, y = frame.place(point)
    hollow = point.row.method == IMPORTED
    for one, line, at in ((point.accuracy, panel.hlines, y), (point.error, panel.vlines, x)):
        if whole and one.low is not None and one.high is not None:
            line(at, one.low, one.high, color=look.colour, linewidth=0.8, alpha=0.6)
    panel.plot(
        [x],
        [y],
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
