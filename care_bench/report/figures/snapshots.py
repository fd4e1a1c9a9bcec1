"""Figure 8 of CARE, γ and movement through training, and the pull of the added term on the encoder."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from care_bench.names import GRADIENT_RATIO
from care_bench.report.figures.drawing import WIDTH, legend, log_axis, small_multiples, whiskers
from care_bench.report.figures.looks import GREY, Look, family_looks
from care_bench.report.figures.plots import INTERVAL, Plot, numbers, over_seeds
from care_bench.report.figures.rows import GAMMA, MOVED, Measure, Rows
from care_bench.report.labels import Variant
from care_bench.report.statistics import Summary, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

RATIO = Measure("gradient-ratio-v1", GRADIENT_RATIO, "projection", "gradient ratio")
LOSSES = (
    "The loss terms of every step are in the log of each run, not in its records: `care-bench plot-run RUN` draws them."
)


class Curve(NamedTuple):
    """Means of one row at some epochs or steps."""

    dataset: str
    base: Variant
    row: Variant
    measure: Measure
    points: tuple[tuple[float, Summary], ...]


def training_plot(rows: Rows) -> Plot | None:
    """Return γ and movement of the snapshots and at the end; None where no run has snapshots."""
    curves = []
    for dataset in rows.datasets:
        for family in rows.families(dataset):
            for row in family:
                last = rows.settings((dataset, row)).get("training.epochs")
                for measure in (GAMMA, MOVED):
                    points = [
                        (float(epoch), found[dataset, row])
                        for epoch in rows.epochs
                        if (dataset, row) in (found := rows.summaries(measure, epoch))
                    ]
                    final = rows.summaries(measure, None).get((dataset, row))
                    if final and isinstance(last, int) and last not in [at for at, _ in points]:
                        points.append((float(last), final))
                    if len(points) > 1:
                        curves.append(Curve(dataset, family[0], row, measure, tuple(points)))
    if not curves:
        return None
    return Plot(
        "γ and movement through training",
        "Median γ, the change of distances relative to the movement, and the distance to invariance, the movement "
        f"itself, of the projection after some epochs: {_seeds(curves)}. The "
        "axis of γ is logarithmic. A fall of γ by a rise of the movement is no gain in equivariance.",
        "Curves over the epochs, a column of panels for each base method, γ above and the movement below.",
        ("dataset", "base", "row", "metric", "epoch", *INTERVAL),
        [
            (curve.dataset, curve.base.name, curve.row.name, curve.measure.metric, int(at), *numbers(found))
            for curve in curves
            for at, found in curve.points
        ],
        lambda: _drawn(rows, curves, "epoch", {GAMMA}),
    )


def ratio_plot(rows: Rows) -> Plot | None:
    """Return the gradient ratio through training; None where no record has it."""
    curves = []
    for dataset in rows.datasets:
        records = rows.records(RATIO)
        for family in rows.families(dataset):
            for row in family[1:]:
                values = [record.values for record in records.get((dataset, row), []) if record.values]
                if values and len(set(map(len, values))) == 1:
                    number = len(values[0])
                    points = tuple((step / number, summarise(each))
                                   for step, each in enumerate(zip(*values, strict=True)))  # fmt: skip
                    curves.append(Curve(dataset, family[0], row, RATIO, points))
    if not curves:
        return None
    return Plot(
        "Gradient ratio through training",
        "Norm of the gradient of the weighted term that a method adds over that of the gradient of its base method, "
        "in the encoder's parameters, at evenly spaced steps of the training: "
        f"{_seeds(curves)}. Far below the line at 1 the method is its base method.",
        "Curves of the gradient ratio over the share of the training, a panel for each base method.",
        ("dataset", "base", "row", "share_of_training", *INTERVAL),
        [
            (curve.dataset, curve.base.name, curve.row.name, at, *numbers(found))
            for curve in curves
            for at, found in curve.points
        ],
        lambda: _drawn(rows, curves, "share of the training", {RATIO}),
    )


def _seeds(curves: list[Curve]) -> str:
    return over_seeds(found.n for curve in curves for _, found in curve.points)


def _drawn(rows: Rows, curves: list[Curve], across: str, logarithmic: set[Measure]) -> Canvas:
    """Draw a line of panels for each data set and measure, a panel for each base method.

    Where no data set has several base methods, the data sets are side by side.
    """
    bases: dict[str, dict[Variant, None]] = defaultdict(dict)
    for curve in curves:
        bases[curve.dataset][curve.base] = None
    measures = dict.fromkeys(curve.measure for curve in curves)
    beside = max(map(len, bases.values())) == 1
    lines = [(measure, tuple(bases)) for measure in measures] if beside else [
        (measure, (dataset,)) for dataset in bases for measure in measures
    ]  # fmt: skip
    columns = max(sum(len(bases[dataset]) for dataset in datasets) for _, datasets in lines)
    looks, share = family_looks(curve.row for curve in curves), False if beside else "row"
    width = min(WIDTH, 1.4 + 2.2 * columns)
    canvas, panels = small_multiples(len(lines), columns, 1.7, width, sharex=share, sharey=share)
    for line, (measure, datasets) in zip(panels, lines, strict=True):
        cells = [(dataset, base) for dataset in datasets for base in bases[dataset]]
        for panel, (dataset, base) in zip(line, cells, strict=False):
            for curve in curves:
                if (curve.dataset, curve.base, curve.measure) == (dataset, base, measure):
                    _draw(panel, curve, *looks[curve.row.method if curve.row.base else ""])
            if measure == RATIO:
                panel.axhline(1, color=GREY, linewidth=0.8, linestyle="--")
            if measure in logarithmic:
                log_axis(panel, "y")
            if measure != MOVED:  # it stands below γ, in the same columns
                panel.set_title(f"{dataset}, {rows.names[base]}" if beside else rows.names[base])
        for panel in line[len(cells) :]:
            panel.set_visible(False)
        line[0].set_ylabel(measure.label if beside else f"{datasets[0]}\n{measure.label}")
    canvas.supxlabel(across)
    legend(canvas, [panel for line in panels for panel in line], 4)
    return canvas


def _draw(panel: Axes, curve: Curve, label: str, look: Look) -> None:
    at, found = [place for place, _ in curve.points], [summary for _, summary in curve.points]
    panel.plot(at, [one.mean for one in found], label=label, **look.keys, linewidth=1.1)
    whiskers(panel, at, found, look)
