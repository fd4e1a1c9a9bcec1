"""Accuracy against equivariance: every row of a collection, and the untrained encoder as their floor."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from care_bench.artifacts import Record
from care_bench.config import METHOD_SETTINGS
from care_bench.names import Representation
from care_bench.report.figures.drawing import (
    GREY,
    MARKERS,
    MISSING,
    OKABE_ITO,
    PER_ROW,
    drawable,
    saved,
    small_multiples,
)
from care_bench.report.labels import Variant, variant_of
from care_bench.report.model import Figure
from care_bench.report.writers import csv_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

TITLE = "Accuracy against equivariance"
EQUIVARIANCE = ("held-out-wahba-v1", "held_out_wahba")
ACCURACIES = {("knn-v1", "top1"): "kNN top-1 (%)", ("first-pc-v1", "first_pc_r2"): "R² of the first component"}
"""What is known of a data set's samples: the first of them that was measured on it."""
REPRESENTATION: Representation = "features"
REFERENCES = {name: entry.reference for name, entry in METHOD_SETTINGS.data.items() if entry.reference}
IMPORTED = "imported"
"""Method of the encoders that were not trained here."""
MOST = 1.5
"""Largest error that is drawn; a larger one lies on the edge."""
MARGIN = 0.08
"""Room left and right of the points, as a share of how far they spread."""
FONT = 7
LINE, LETTER, HANDLE = 0.16, 0.054, 0.45
"""Size of a line, of a letter and of the marker with its gaps, in inches, in a legend of this font."""


class Point(NamedTuple):
    """One row on one data set, means over the pretraining seeds."""

    dataset: str
    row: str
    seeds: int
    measured: str
    accuracy: float
    held_out_error: float


def accuracy_points(records: Sequence[Record], labels: Mapping[Variant, str]) -> list[tuple[Variant, Point]]:
    """Return the rows that have both numbers, of encoders after the last step, in the order of the records."""
    found: dict[tuple[str, Variant], dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.epoch is None and record.representation == REPRESENTATION and record.value is not None:
            row = found[record.dataset, variant_of(record)]
            row[record.protocol, record.metric].append(record.value)
    points = []
    for (dataset, variant), values in found.items():
        known = [metric for metric in ACCURACIES if metric in values]
        if known and EQUIVARIANCE in values:
            errors = values[EQUIVARIANCE]
            measured, accuracy = ACCURACIES[known[0]], fmean(values[known[0]])
            point = Point(dataset, labels[variant], len(errors), measured, accuracy, fmean(errors))
            points.append((variant, point))
    return points


def accuracy_figure(records: Sequence[Record], labels: Mapping[Variant, str]) -> Figure | str | None:
    """Draw what the features know of the samples against how well a rotation predicts their views.

    Args:
        records: of a collection.
        labels: of its rows.

    Returns:
        The figure; a sentence where matplotlib is missing; None where no row has both numbers.
    """
    points = accuracy_points(records, labels)
    if not points:
        return None
    if not drawable():
        return MISSING.format(TITLE)
    names = list(dict.fromkeys(point.dataset for _, point in points))
    rows = list(dict.fromkeys(variant for variant, _ in points if variant.method not in REFERENCES))
    looks = dict(zip(rows, itertools.cycle(_looks()), strict=False))
    canvas, panels = small_multiples(len(names))
    for panel, name in zip(panels, names, strict=True):
        _draw(panel, name, [entry for entry in points if entry[1].dataset == name], looks)
    _explain(canvas, panels)
    seeds = sorted({point.seeds for _, point in points})
    hollow = " Hollow: not trained here." if any(row.method == IMPORTED for row in rows) else ""
    return Figure(
        title=TITLE,
        caption=(
            f"The {REPRESENTATION} of every row, means over {', '.join(map(str, seeds))} pretraining "
            f"{'seed' if seeds == [1] else 'seeds'}. Down is more equivariant: the error of the best map in O(d) on "
            "held-out samples, as a fraction of how far the augmentations move them. Right is more accurate. The band "
            "is the floor: it begins at the untrained encoder; above 1 a map is worse than none. Errors above "
            f"{MOST:g} lie on the upper edge.{hollow}"
        ),
        alt="Scatter of the held-out error of the best rotation over accuracy, one panel per data set, with the "
        "untrained encoder as a dotted line and all that is less equivariant than it as a grey band.",
        svg=saved(canvas, "svg"),
        pdf=saved(canvas, "pdf"),
        data=csv_text(Point._fields, [point for _, point in points]),
    )


def _explain(canvas: Canvas, panels: Sequence[Axes]) -> None:
    """Name the vertical axis at every panel on the left, and add a legend below, for which the canvas grows."""
    for panel in panels[::PER_ROW]:
        panel.set_ylabel("held-out error of the best map", fontsize=8)
    handles = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    width, height = canvas.get_size_inches()
    columns = max(1, int(width / (HANDLE + LETTER * max(map(len, handles)))))
    canvas.set_size_inches(width, height + LINE * math.ceil(len(handles) / columns))
    names = list(handles)
    canvas.legend(handles.values(), names, loc="outside lower center", ncols=columns, fontsize=FONT, frameon=False)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Return where an axis through all values begins and ends, with a margin; one value alone is in its middle."""
    low, high = min(values), max(values)
    room = MARGIN * ((high - low) or abs(high) or 1.0)
    return low - room, high + room


def _looks() -> list[tuple[str, str]]:
    """Return colours and markers: neighbours differ in both, so that grey print tells them apart."""
    return [
        (colour, MARKERS[(place + turn) % len(MARKERS)])
        for turn in range(len(MARKERS))
        for place, colour in enumerate(OKABE_ITO)
    ]


def _draw(
    panel: Axes, name: str, points: Sequence[tuple[Variant, Point]], looks: Mapping[Variant, tuple[str, str]]
) -> None:
    floor = {REFERENCES[row.method]: point for row, point in points if row.method in REFERENCES}
    if "untrained" in floor:
        lowest, accuracy = floor["untrained"].held_out_error, floor["untrained"].accuracy
        panel.axhspan(min(lowest, MOST), MOST, color=GREY, alpha=0.12, linewidth=0, label="untrained or worse")
        panel.axvline(accuracy, color=GREY, linewidth=0.8, linestyle=":", label="untrained, accuracy")
    panel.axhline(1.0, color=GREY, linewidth=0.8, linestyle="--", label="no map")
    for variant, point in points:
        if variant in looks:
            colour, marker = looks[variant]
            hollow = variant.method == IMPORTED
            panel.plot(
                [point.accuracy],
                [min(point.held_out_error, MOST)],
                linestyle="none",
                marker=marker,
                color=colour,
                markersize=5.5,
                markerfacecolor="none" if hollow else colour,
                markeredgecolor=colour if hollow else "white",
                markeredgewidth=1.2 if hollow else 0.5,
                clip_on=False,
                label=point.row,
            )
    shown = [one.accuracy for row, one in points if row in looks or REFERENCES[row.method] == "untrained"]
    if shown:
        panel.set_xlim(*_limits(shown))
    panel.set_ylim(0, MOST)
    panel.set_xlabel(points[0][1].measured, fontsize=8)
    panel.set_title(name, fontsize=9)
    panel.tick_params(labelsize=7)
    panel.grid(visible=True, which="major", linewidth=0.3, color="#bbbbbb")
