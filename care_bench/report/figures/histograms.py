"""Figure 6 of CARE: the cosines of f(x) and f(a(x)) over the test samples for one augmentation a."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from care_bench.artifacts.illustrations import BINS, Cosines, Illustrations, Shown
from care_bench.report.figures.drawing import small_multiples
from care_bench.report.figures.illustrated import Names, rows_sentence, shown_in
from care_bench.report.figures.looks import GREY, OKABE_ITO
from care_bench.report.figures.plots import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

OPPOSED = -0.5
"""Below it lies what the paper says of SimCLR alone."""
COLUMNS = 4


def cosines_plot(found: Sequence[Illustrations], names: Names) -> Plot | None:
    """Return the histogram of the cosines of every row; None without any."""
    parts = shown_in("cosines", found, names)
    if not parts:
        return None
    edges = [round(float(edge), 6) for edge in np.linspace(-1, 1, BINS + 1)]
    return Plot(
        "Histogram of cosines",
        "The cosine of the embeddings of a test sample and of its view, over the test samples, for one augmentation "
        "that all of them share: the first draw of the evaluation. On the circle, d = 2, one rotation turns all "
        "embeddings by the same angle: one bar, variance 0. In more dimensions it turns them by different angles. In "
        "the paper SimCLR has samples left of the dotted line at -0.5, and CARE has none. Data sets with encoders into "
        f"the plane show these alone. {rows_sentence(parts)}",
        "Histograms of the cosine, a panel for each row.",
        ("dataset", "row", "mean", "variance", "from", "to", "samples"),
        [
            (one.dataset, name, run.cosines.mean, run.cosines.variance, low, high, count)
            for one, runs in parts
            for name, run in runs
            if run.cosines
            for low, high, count in zip(edges[:-1], edges[1:], run.cosines.counts, strict=True)
        ],
        lambda: _drawn(parts, edges),
    )


def _drawn(parts: Sequence[tuple[Illustrations, list[tuple[str, Shown]]]], edges: Sequence[float]) -> Canvas:
    columns = min(COLUMNS, max(len(runs) for _, runs in parts))
    lines = [
        (one.dataset, runs[first : first + columns]) for one, runs in parts for first in range(0, len(runs), columns)
    ]
    canvas, grid = small_multiples(len(lines), columns, 1.35, sharex=True)
    for panels, (dataset, runs) in zip(grid, lines, strict=True):
        for panel, (name, run) in zip(panels, runs, strict=False):
            if run.cosines:
                _histogram(panel, name, run.cosines, edges)
        panels[0].set_ylabel(dataset)
        for panel in panels[len(runs) :]:
            panel.set_visible(False)
    canvas.supxlabel("cosine of f(x) and f(a(x))")
    canvas.supylabel("test samples (%)")
    return canvas


def _histogram(panel: Axes, name: str, one: Cosines, edges: Sequence[float]) -> None:
    shares = 100 * np.array(one.counts) / max(sum(one.counts), 1)
    panel.stairs(shares, edges, fill=True, color=OKABE_ITO[0])
    panel.axvline(OPPOSED, color=GREY, linewidth=0.7, linestyle=":")
    panel.set_title(f"{name}\nmean {one.mean:.2f}, variance {one.variance:.2g}", fontsize=7)
    panel.set(xlim=(-1, 1), xticks=(-1, 0, 1))
    panel.locator_params(axis="y", nbins=3)
    panel.grid(visible=False)
