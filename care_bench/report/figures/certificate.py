"""Bounds against errors: how far the theory explains the encoders of a collection."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from care_bench.artifacts import Record
from care_bench.names import REPRESENTATIONS, Representation
from care_bench.report.figures.drawing import MISSING, OKABE_ITO, drawable, saved, small_multiples
from care_bench.report.model import Figure
from care_bench.report.writers import csv_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"projection": OKABE_ITO[0], "features": OKABE_ITO[1]}
MARKERS = {"projection": "o", "features": "s"}
TRIVIAL = math.sqrt(2)


class Point(NamedTuple):
    """Error and bounds of one representation of one run."""

    dataset: str
    variant: str
    seed: int
    representation: Representation
    error: float
    rank_k_bound: float
    printed_bound: float | None
    admissible_percent: float


def certificate_points(records: Iterable[Record]) -> list[Point]:
    """Return the points of the encoders after the last step that have a certificate, in the order of the records."""
    found: dict[tuple[str, str, int, Representation], dict[str, float | None]] = {}
    for record in records:
        if record.protocol == "certificate-v1" and record.epoch is None:
            key = (record.dataset, record.variant, record.seed, record.representation)
            found.setdefault(key, {})[record.metric] = record.value
    points = []
    for key, values in found.items():
        error, bound = values.get("certificate_error"), values.get("certificate_bound")
        share = values.get("certificate_admissible")
        if error is not None and bound is not None and share is not None:
            points.append(Point(*key, error, bound, values.get("certificate_printed_bound"), share))
    return points


def certificate_figure(records: Sequence[Record]) -> Figure | str | None:
    """Draw the guaranteed bounds against the measured error, one panel per data set.

    Returns:
        The figure; a sentence where matplotlib is missing; None where no record has a certificate.
    """
    points = certificate_points(records)
    if not points:
        return None
    title = "Bound against error"
    names = list(dict.fromkeys(point.dataset for point in points))
    if not drawable():
        return MISSING.format(title)
    canvas, panels = small_multiples(len(names), sharex=True, sharey=True)
    for panel, name in zip(panels, names, strict=True):
        _draw(panel, name, [point for point in points if point.dataset == name])
    canvas.supxlabel("error of the best orthogonal map, root mean square", fontsize=9)
    canvas.supylabel("guaranteed bound", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=7, frameon=False)
    told = sum(point.rank_k_bound < TRIVIAL / 2 for point in points)
    ratio = sorted(point.rank_k_bound / point.error for point in points if point.error > 0)
    applies = sum(point.admissible_percent > 0 for point in points)
    caption = (
        "What inner products guarantee against what is measured, for every run and both representations: on the "
        "diagonal the theory explains the error wholly, at √2 it says nothing. The rank-k bound always holds; it is "
        f"below half of the trivial √2 for {told} of {len(points)} encoders, and "
        + (f"{ratio[len(ratio) // 2]:.1f} times the error in the middle. " if ratio else "the errors are 0. ")
        + f"Prop. 3 applies to some of the augmentations for {applies} of {len(points)}; its bound is drawn where the "
        "embeddings span the space, whether it applies or not."
    )
    return Figure(
        title=title,
        caption=caption,
        alt="Scatter of guaranteed bounds over measured errors, both logarithmic; every rank-k bound is above the "
        "diagonal.",
        svg=saved(canvas, "svg"),
        pdf=saved(canvas, "pdf"),
        data=csv_text(Point._fields, points),
    )


def _draw(panel: Axes, name: str, points: Sequence[Point]) -> None:
    for representation in REPRESENTATIONS:
        shown = [point for point in points if point.representation == representation and point.error > 0]
        style: dict[str, Any] = {"linestyle": "none", "color": COLOURS[representation], "markersize": 4.5}
        panel.plot(
            [point.error for point in shown],
            [point.rank_k_bound for point in shown],
            marker=MARKERS[representation],
            label=f"rank-k bound, {representation}",
            **style,
        )
        spanning = [(point.error, point.printed_bound) for point in shown if point.printed_bound is not None]
        panel.plot(
            [error for error, _ in spanning],
            [bound for _, bound in spanning],
            marker="^",
            markerfacecolor="none",
            label=f"Prop. 3, {representation}",
            **style,
        )
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.axline((0.01, 0.01), (1, 1), color="#555555", linewidth=0.8, label="bound = error")
    panel.axhline(TRIVIAL, color="#555555", linewidth=0.8, linestyle="--", label="trivial, √2")
    panel.set_title(name, fontsize=9)
    panel.tick_params(labelsize=7)
    panel.grid(visible=True, which="major", linewidth=0.3, color="#bbbbbb")
