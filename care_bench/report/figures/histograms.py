"""Figure 6 of CARE: the cosines of f(x) and f(a(x)) over the test samples for one augmentation a."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from care_bench.artifacts.illustrations import BINS, Cosines, Illustrations
from care_bench.report.figures.drawing import small_multiples
from care_bench.report.figures.illustrated import headed, rows_sentence, shown_in
from care_bench.report.figures.looks import GREY, OKABE_ITO
from care_bench.report.figures.plots import Plot
from care_bench.report.labels import Variant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

OPPOSED = -0.5
"""Below it lies what the paper says of SimCLR alone."""
COLUMNS = 4


def cosines_plot(found: Sequence[Illustrations], names: Mapping[Variant, str]) -> Plot | None:
    """Return the histogram of the cosines of every row; None without any."""
    parts = shown_in("cosines", found, names)
    if not parts:
        return None
    edges = [round(float(edge), 6) for edge in np.linspace(-1, 1, BINS + 1)]
    shown = [(heading, run.cosines) for heading, run in headed(parts) if run.cosines]
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
        lambda: _drawn(shown, edges),
    )


def _drawn(shown: Sequence[tuple[str, Cosines]], edges: Sequence[float]) -> Canvas:
    columns = min(COLUMNS, len(shown))
    canvas, grid = small_multiples(-(-len(shown) // columns), columns, 1.25, sharex=True)
    panels = [panel for line in grid for panel in line]
    for panel, (heading, one) in zip(panels, shown, strict=False):
        _histogram(panel, one, edges)
        panel.set_title(heading, fontsize=7.5)
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    canvas.supxlabel("cosine of f(x) and f(a(x))")
    canvas.supylabel("test samples (%)")
    return canvas


def _histogram(panel: Axes, one: Cosines, edges: Sequence[float]) -> None:
    shares = 100 * np.array(one.counts) / max(sum(one.counts), 1)
    panel.stairs(shares, edges, fill=True, color=OKABE_ITO[0])
    panel.axvline(OPPOSED, color=GREY, linewidth=0.7, linestyle=":")
    text = f"mean {one.mean:.2f}\nvariance {one.variance:.2g}"
    panel.text(0.29, 0.97, text, transform=panel.transAxes, fontsize=6.5, va="top")
    panel.set_xlim(-1, 1)
    panel.grid(visible=False)
