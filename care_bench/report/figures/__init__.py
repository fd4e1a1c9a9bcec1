"""Figures of a collection, drawn with matplotlib (extra `report`): the same records give the same bytes.

A figure of another kind is a function from :class:`Rows` to a :class:`Plot`, or to None where a collection lacks what
it shows, and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from care_bench.artifacts.collection import Collection
from care_bench.artifacts.drawn import Drawn
from care_bench.artifacts.illustrations import FigureName
from care_bench.report.figures.accuracy import accuracy_plot
from care_bench.report.figures.certificate import certificate_plot
from care_bench.report.figures.cosines import circle_plot, positive_plot
from care_bench.report.figures.dots import ablation_plot, component_plot, composition_plot
from care_bench.report.figures.drawing import MISSING, drawable
from care_bench.report.figures.draws import wahba_plot
from care_bench.report.figures.histograms import cosines_plot
from care_bench.report.figures.illustrated import Maker
from care_bench.report.figures.plots import Plot
from care_bench.report.figures.retrieved import retrieval_plot
from care_bench.report.figures.rows import BASES, MOST, Rows
from care_bench.report.figures.snapshots import LOSSES, ratio_plot, training_plot
from care_bench.report.figures.trajectories import trajectories_plot
from care_bench.report.figures.weights import weight_plot
from care_bench.report.model import Figure

__all__ = ["FIGURES", "ILLUSTRATED", "Plot", "Rows", "drawn_figures", "figures_of", "plots_of"]

ILLUSTRATED: dict[FigureName, Maker] = {
    "trajectories": trajectories_plot,
    "retrieval": retrieval_plot,
    "cosines": cosines_plot,
}
"""Figures of what no record holds."""


def _of_rows(make: Maker) -> Callable[[Rows], Plot | None]:
    return lambda rows: make(rows.illustrations, lambda dataset, run: rows.names[rows.variants.of_run(dataset, run)])


FIGURES: dict[str, Callable[[Rows], Plot | None]] = {
    "accuracy": accuracy_plot,
    "ablation": ablation_plot,
    "weight": weight_plot,
    "wahba": wahba_plot,
    "training": training_plot,
    "gradient-ratio": ratio_plot,
    "circle": circle_plot,
    "positive-cosines": positive_plot,
    "first-component": component_plot,
    "composition": composition_plot,
    "certificate": certificate_plot,
    **{name: _of_rows(make) for name, make in ILLUSTRATED.items()},
}
"""Name -> what makes it, in the order of a report."""


def plots_of(collection: Collection) -> dict[str, Plot]:
    """Return the figures that a collection has the records for, by name; nothing is drawn yet."""
    rows = Rows(collection)
    found = {name: plot for name, make in FIGURES.items() if (plot := make(rows)) is not None}
    if not rows.cut:
        return found
    numbers = ", ".join(f"{dataset} has {number}" for dataset, number in rows.cut.items())
    said = (
        f"At most {MOST} rows of a data set are drawn, of at most {BASES} base methods beside each other ({numbers}); "
    )
    said += "report.csv (`--format csv`) has all."
    return {
        name: plot if name in ILLUSTRATED else replace(plot, caption=f"{plot.caption.rstrip()} {said}")
        for name, plot in found.items()
    }


def figures_of(collection: Collection) -> tuple[list[Figure], list[str]]:
    """Return the figures of a collection: as they were pinned if their numbers and words are the same, else drawn.

    Where matplotlib is missing, a figure that was pinned in other words is shown as it was, and says so.

    Returns:
        The figures, and sentences on those that are not drawn, such as all others where matplotlib is missing.
    """
    plots = plots_of(collection)
    kept = {name: one for name, one in collection.figures.items() if name in plots and plots[name].shown_by(one)}
    same = {name for name, one in kept.items() if plots[name].described_by(one)}
    can_draw = same == plots.keys() or drawable()
    found, left_out = [], []
    for name, plot in plots.items():
        command = again(collection.key, name)
        if name in same:
            found.append(plot.figure(command, kept[name]))
        elif can_draw:
            found.append(plot.figure(command, plot.drawn()))
        elif name in kept:
            found.append(plot.as_kept(kept[name]).figure(command, kept[name]))
        else:
            left_out.append(MISSING.format(plot.title))
    return found, [*left_out, *([LOSSES] if "training" in plots or "gradient-ratio" in plots else [])]


def drawn_figures(collection: Collection) -> dict[str, Drawn]:
    """Draw the figures of a collection, to keep them with its pin; none where matplotlib is missing."""
    return {name: plot.drawn() for name, plot in plots_of(collection).items()} if drawable() else {}


def again(key: str, name: str) -> str:
    """Return the command that draws a figure of a collection alone."""
    return f"care-bench plot --collection {key} --figure {name} --out {name}.pdf"
