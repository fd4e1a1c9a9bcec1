"""Bounds against errors: how far the theory explains the encoders of a collection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from care_bench.names import REPRESENTATIONS, Representation
from care_bench.report.figures.drawing import legend, small_multiples
from care_bench.report.figures.looks import GREY, PAPER, looks
from care_bench.report.figures.plots import Plot
from care_bench.report.figures.rows import Measure, Rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

TITLE = "Bound against error"
TRIVIAL = math.sqrt(2)


class Point(NamedTuple):
    """Error and bounds of one representation of one row, means over the pretraining seeds."""

    dataset: str
    row: str
    representation: Representation
    seeds: int
    error: float
    rank_k_bound: float
    printed_bound: float | None
    admissible_percent: float


def certificate_points(rows: Rows) -> list[Point]:
    """Return the points of the encoders after the last step that have a certificate, in the order of the profile."""
    points = []
    for representation in REPRESENTATIONS:
        errors, bounds, printed, shares = (
            rows.summaries(Measure("certificate-v1", f"certificate_{metric}", representation, ""))
            for metric in ("error", "bound", "printed_bound", "admissible")
        )
        for place in rows.places:
            if place in errors and place in bounds and place in shares:
                # The bound of Prop. 3 is shown where all seeds have one.
                whole = place in printed and printed[place].n == errors[place].n
                spans = printed[place].mean if whole else None
                numbers = errors[place].mean, bounds[place].mean, spans, shares[place].mean
                points.append(Point(place[0], place[1].name, representation, errors[place].n, *numbers))
    order = {dataset: number for number, dataset in enumerate(rows.datasets)}
    return sorted(points, key=lambda point: order[point.dataset])


def certificate_plot(rows: Rows) -> Plot | None:
    """Return the guaranteed bounds against the measured error; None where no record has a certificate."""
    points = certificate_points(rows)
    if not points:
        return None
    told = sum(point.rank_k_bound < TRIVIAL / 2 for point in points)
    ratio = sorted(point.rank_k_bound / point.error for point in points if point.error > 0)
    applies = sum(point.admissible_percent > 0 for point in points)
    return Plot(
        TITLE,
        "What inner products guarantee against what is measured, a point for each representation of each row, means "
        "over the pretraining seeds: on the diagonal the theory explains the error wholly, at √2 it says nothing. The "
        f"rank-k bound always holds; it is below half of the trivial √2 for {told} of {len(points)} points, and "
        + (f"{ratio[len(ratio) // 2]:.1f} times the error in the middle. " if ratio else "the errors are 0. ")
        + f"Prop. 3 applies to some of the augmentations for {applies} of {len(points)}; its bound is drawn where "
        "the embeddings of every seed span the space, whether it applies or not.",
        "Scatter of guaranteed bounds over measured errors, both logarithmic; every rank-k bound is above the "
        "diagonal.",
        Point._fields,
        [tuple(point) for point in points],
        lambda: _drawn(points),
    )


def _drawn(points: Sequence[Point]) -> Canvas:
    names = list(dict.fromkeys(point.dataset for point in points))
    columns = min(3, len(names))
    canvas, grid = small_multiples(-(-len(names) // columns), columns, 2.6, 2.9 * columns, sharex=True, sharey=True)
    panels = [panel for line in grid for panel in line]
    for panel, name in zip(panels, names, strict=False):
        _draw(panel, name, [point for point in points if point.dataset == name])
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    canvas.supxlabel("error of the best orthogonal map, root mean square", fontsize=8)
    canvas.supylabel("guaranteed bound", fontsize=8)
    legend(canvas, panels[:1], 3)
    return canvas


def _draw(panel: Axes, name: str, points: Sequence[Point]) -> None:
    for representation, look in zip(REPRESENTATIONS, looks(2), strict=True):
        shown = [point for point in points if point.representation == representation and point.error > 0]
        panel.plot(
            [point.error for point in shown],
            [point.rank_k_bound for point in shown],
            label=f"rank-k bound, {representation}",
            **look._replace(line="none").keys,
        )
        spanning = [(point.error, point.printed_bound) for point in shown if point.printed_bound is not None]
        panel.plot(
            [error for error, _ in spanning],
            [bound for _, bound in spanning],
            label=f"Prop. 3, {representation}",
            **{**look.keys, "linestyle": "none", "markeredgecolor": look.colour, "markerfacecolor": PAPER},
        )
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.axline((0.01, 0.01), (1, 1), color=GREY, linewidth=0.8, label="bound = error")
    panel.axhline(TRIVIAL, color=GREY, linewidth=0.8, linestyle="--", label="trivial, √2")
    panel.set_title(name)
