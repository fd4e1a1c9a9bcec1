"""Figure 5 of CARE: Wahba's error of every draw, without and with an added term."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from care_bench.report.figures.drawing import WIDTH, small_multiples
from care_bench.report.figures.looks import INK, MARKERS, PAPER
from care_bench.report.figures.plots import Plot
from care_bench.report.figures.rows import WAHBA, Place, Rows
from care_bench.report.labels import Variant, method_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

COLOURS = "cividis"
"""A map whose lightness rises evenly, so that grey print orders the draws too."""


def wahba_plot(rows: Rows) -> Plot | None:
    """Return Wahba's error per draw of every base method and of those that wrap it.

    None where nothing is paired, or no draw moves anything.
    """
    values = rows.draws(WAHBA)
    families = {
        dataset: found
        for dataset in rows.datasets
        if (found := [shown for family in rows.families(dataset) if len(shown := _known(values, dataset, family)) > 1])
    }
    still = {dataset: _still(values, dataset, found) for dataset, found in families.items()}
    families = {
        dataset: found
        for dataset, found in families.items()
        if len(still[dataset]) < min(len(values[dataset, row]) for family in found for row in family)
    }
    if not families:
        return None
    table: list[tuple[object, ...]] = [
        (dataset, family[0].name, row.name, draw, error)
        for dataset, found in families.items()
        for family in found
        for row in family
        for draw, error in enumerate(values[dataset, row])
        if draw not in still[dataset]
    ]
    order = {dataset: _ranks(values[dataset, found[0][0]]) for dataset, found in families.items()}

    def draw() -> Canvas:
        beside = max(map(len, families.values())) == 1  # no data set has several base methods
        cells = [(dataset, family) for dataset, found in families.items() for family in found]
        lines = [cells] if beside else [[cell for cell in cells if cell[0] == dataset] for dataset in families]
        widths = [max(len(line[place][1]) if place < len(line) else 1 for line in lines)
                  for place in range(max(map(len, lines)))]  # fmt: skip
        canvas, panels = small_multiples(
            len(lines),
            len(widths),
            2.0,
            min(WIDTH, 0.8 + 0.75 * sum(widths)),
            sharey=False if beside else "row",
            gridspec_kw={"width_ratios": [one + 0.6 for one in widths]},
        )
        for row_of_panels, line in zip(panels, lines, strict=True):
            for panel, (dataset, family) in zip(row_of_panels, line, strict=False):
                names = [rows.names[family[0]], *(method_label(row.method) for row in family[1:])]
                errors = [values[dataset, row] for row in family]
                _draw(panel, [_broken(name) for name in names], errors, still[dataset], order[dataset])
                if beside:
                    panel.set_title(dataset)
            for panel in row_of_panels[len(line) :]:
                panel.set_visible(False)
            if not beside:
                most = max(max(values[dataset, row]) for dataset, family in line for row in family)
                row_of_panels[0].set_ylim(0, 1.05 * most)
            row_of_panels[0].set_ylabel(WAHBA.label if beside else f"{line[0][0]}\n{WAHBA.label}")
        return canvas

    kept = ", ".join(f"{len(found)} on {dataset}" for dataset, found in still.items() if found)
    return Plot(
        "Wahba's error by augmentation",
        "Each line is one draw of the augmentation, the same for all rows, in the mean over the pretraining seeds: the "
        "distance of its views from the best rotation of the plain ones, over the square root of the number of "
        "samples. Its colour is its rank under the first row of the data set, from small (dark) to large (bright); the "
        "bar is the mean."
        + (f" Left out are draws that change nothing: {kept}." if kept else "")
        + "".join(_several(rows, dataset, found) for dataset, found in families.items())
        + " A small error is no equivariance where the encoder is invariant or collapsed: see the scatter.",
        "Paired dots, one line per draw, from the base method to the methods that wrap it, a panel for each base.",
        ("dataset", "base", "row", "draw", "wahba_error_per_sample"),
        table,
        draw,
    )


def _known(values: dict[Place, list[float]], dataset: str, family: Sequence[Variant]) -> list[Variant]:
    return [row for row in family if (dataset, row) in values]


def _several(rows: Rows, dataset: str, families: Sequence[Sequence[Variant]]) -> str:
    """Name the rows of a method that several panels of a data set have around variants of one base method."""
    found: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for base, *wrapping in families:
        for row in wrapping:
            found[row.method, row.base].append(f"{row.name} beside {rows.names[base]}")
    return "".join(
        f" On {dataset} {method_label(method)} is {' and '.join(named)}."
        for (method, _), named in found.items()
        if len(named) > 1
    )


def _still(values: dict[Place, list[float]], dataset: str, families: Sequence[Sequence[Variant]]) -> set[int]:
    """Return the draws under which no row moves."""
    found = [values[dataset, row] for family in families for row in family]
    return {draw for draw, errors in enumerate(zip(*found, strict=False)) if max(errors) < 1e-6}


def _ranks(errors: Sequence[float]) -> list[float]:
    """Return the rank of every draw, from 0 to 1."""
    order = sorted(range(len(errors)), key=lambda draw: errors[draw])
    return [order.index(draw) / max(len(errors) - 1, 1) for draw in range(len(errors))]


def _broken(name: str) -> str:
    """Break a long name after its first part."""
    return re.sub(r"^(\w+)([ -])", lambda match: match[1] + match[2].strip() + "\n", name) if len(name) > 9 else name


def _draw(
    panel: Axes, names: Sequence[str], errors: Sequence[list[float]], still: set[int], ranks: Sequence[float]
) -> None:
    import matplotlib as mpl
    from matplotlib.collections import LineCollection

    moving = [draw for draw in range(len(ranks)) if draw not in still]
    colours = [mpl.colormaps[COLOURS](0.1 + 0.8 * ranks[draw]) for draw in moving]
    lines = [[(place, found[draw]) for place, found in enumerate(errors)] for draw in moving]
    panel.add_collection(LineCollection(lines, colors=colours, linewidths=0.7, alpha=0.7))
    for place, found in enumerate(errors):
        heights = [found[draw] for draw in moving]
        panel.scatter(
            [place] * len(heights), heights, s=14, c=colours, marker=MARKERS[place], edgecolors=PAPER, linewidths=0.3,
            zorder=2,
        )  # fmt: skip
        panel.hlines(fmean(heights), place - 0.22, place + 0.22, color=INK, linewidth=1.6, zorder=3)
    panel.set_xticks(range(len(names)), names, color=INK)
    panel.set_xlim(-0.5, len(names) - 0.5)
    panel.set_ylim(0, 1.05 * max(map(max, errors)))
    panel.grid(visible=False, axis="x")
    panel.tick_params(axis="x", length=0)
