"""Figure 6 of CARE, cosines on the circle by draw, and Figures 11 to 16, cosines of positive pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.names import UNINFORMED
from care_bench.report.figures.drawing import log_axis, row_axis, small_multiples
from care_bench.report.figures.looks import INK, PAPER, looks, role_looks
from care_bench.report.figures.plots import Plot
from care_bench.report.figures.rows import REFERENCES, Measure, Rows
from care_bench.report.labels import Variant
from care_bench.report.statistics import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MEAN = Measure("cosine-v1", "cosine_mean", "projection", "mean cosine")
VARIANCE = Measure("cosine-v1", "cosine_variance", "projection", "variance of the cosine")
POINTS = ("05", "25", "50", "75", "95")
DIMENSION = "encoder.projector.output"
LEAST = 1e-6
"""Smallest variance that is drawn; a smaller one lies on the edge."""


def circle_plot(rows: Rows) -> Plot | None:
    """Return mean and variance of the cosine of every draw, on the circle; None where no row has two dimensions."""
    means, variances = rows.draws(MEAN), rows.draws(VARIANCE)
    shown = [
        place
        for place in rows.places
        if place in means and place in variances and rows.settings(place).get(DIMENSION) == 2
    ]
    datasets = list(dict.fromkeys(dataset for dataset, _ in shown))
    if not shown:
        return None

    def draw() -> Canvas:
        canvas, panels = small_multiples(1, len(datasets), 2.6, min(2.6 + 2.4 * len(datasets), 7.6))
        for panel, dataset in zip(panels[0], datasets, strict=True):
            here = [place for place in shown if place[0] == dataset]
            for place, look in zip(here, looks(len(here)), strict=True):
                panel.scatter(
                    means[place],
                    [max(one, LEAST) for one in variances[place]],
                    s=18,
                    color=look.colour,
                    marker=look.marker,
                    edgecolors=PAPER,
                    linewidths=0.4,
                    label=rows.names[place[1]],
                )
            log_axis(panel, "y")
            panel.set_xlabel("mean cosine of f(x) and f(a(x))")
            panel.set_title(dataset)
            panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        panels[0][0].set_ylabel("its variance over the samples")
        return canvas

    return Plot(
        "Cosines on the circle",
        "Each mark is one draw of the augmentation, in the mean over the pretraining seeds: mean and variance, over "
        "the test samples, of the cosine between the embeddings of a sample and of its view, for encoders into the "
        "plane. One rotation of the circle turns all embeddings by the same angle: its variance is 0. "
        + (
            f"Variances below {LEAST:g} lie on the lower edge."
            if any(one < LEAST for place in shown for one in variances[place])
            else ""
        ),
        "Scatter of the variance of the cosine over its mean, one mark per draw.",
        ("dataset", "row", "draw", "cosine_mean", "cosine_variance"),
        [
            (dataset, row.name, draw, mean, variance)
            for dataset, row in shown
            for draw, (mean, variance) in enumerate(zip(means[dataset, row], variances[dataset, row], strict=True))
        ],
        draw,
    )


def positive_plot(rows: Rows) -> Plot | None:
    """Return quantiles of the cosine of positive pairs, of every row that is informed; None without records."""
    found = {
        point: rows.summaries(Measure("positive-cosine-v1", f"positive_cosine_{point}", "projection", ""))
        for point in POINTS
    }
    shown = [
        place
        for place in rows.places
        if all(place in values for values in found.values()) and REFERENCES.get(place[1].method) not in UNINFORMED
    ]
    datasets = list(dict.fromkeys(dataset for dataset, _ in shown))
    if not shown:
        return None

    def draw() -> Canvas:
        lines = [[row for name, row in shown if name == dataset] for dataset in datasets]
        canvas, panels = small_multiples(1, len(datasets), 0.3 + 0.15 * max(map(len, lines)), sharex=True)
        for panel, dataset, here in zip(panels[0], datasets, lines, strict=True):
            _quantiles(panel, {row: {point: found[point][dataset, row] for point in POINTS} for row in here})
            row_axis(panel, [rows.names[row] for row in here], max(map(len, lines)))
            panel.set_title(dataset)
            panel.tick_params(axis="y", length=0)
            panel.spines["left"].set_visible(False)
        canvas.supxlabel("cosine of two views of a sample", fontsize=8)
        return canvas

    return Plot(
        "Cosines of positive pairs",
        "The cosine of two views of a test sample, over samples and pairs of draws: the thin line holds 90 % of them, "
        "the thick one 50 %, the dot is the median; means over the pretraining seeds of the points below which 5, 25, "
        "50, 75 and 95 % lie. 1 is invariant.",
        "Quantile bars of the cosine, one line per row, a panel for each data set.",
        ("dataset", "row", "percent_below", "seeds", "cosine"),
        [
            (dataset, row.name, int(point), found[point][dataset, row].n, found[point][dataset, row].mean)
            for dataset, row in shown
            for point in POINTS
        ],
        draw,
        labels=tuple(rows.names[row] for _, row in shown),
    )


def _quantiles(panel: Axes, bars: dict[Variant, dict[str, Summary]]) -> None:
    shown = role_looks(bars, REFERENCES)
    for place, (row, bar) in enumerate(bars.items()):
        look = shown[row]
        panel.hlines(place, bar["05"].mean, bar["95"].mean, color=look.colour, linewidth=0.9)
        panel.hlines(place, bar["25"].mean, bar["75"].mean, color=look.colour, linewidth=3)
    medians = [bar["50"].mean for bar in bars.values()]
    panel.scatter(medians, range(len(bars)), s=12, color=PAPER, edgecolors=INK, linewidths=0.8, zorder=3)
