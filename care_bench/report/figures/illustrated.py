"""What the figures that need encoders share: names of runs, and what their captions say of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from care_bench.artifacts.illustrations import FigureName, Illustrations, Shown
from care_bench.report.figures.plots import Plot

Names: TypeAlias = Callable[[str, Shown], str]
"""Names a run on a data set by its row."""
Maker: TypeAlias = Callable[[Sequence[Illustrations], Names], Plot | None]
"""Makes a figure of what was read of some data sets; None where it shows nothing."""


def shown_in(
    figure: FigureName, found: Sequence[Illustrations], names: Names
) -> list[tuple[Illustrations, list[tuple[str, Shown]]]]:
    """Return the data sets of a figure, each with its runs and their labels; seeds are named where they differ."""
    several = len({run.seed for one in found for run in one.runs}) > 1
    return [
        (one, [(names(one.dataset, run) + (f", seed {run.seed}" if several else ""), run) for run in runs])
        for one in found
        if (runs := one.showing(figure))
    ]


def headed(parts: Sequence[tuple[Illustrations, list[tuple[str, Shown]]]]) -> Iterator[tuple[str, Shown]]:
    """Yield headings of panels with their runs; data sets are named where there are several."""
    for one, runs in parts:
        for name, run in runs:
            yield (f"{one.dataset}: {name}" if len(parts) > 1 else name), run


def rows_sentence(parts: Sequence[tuple[Illustrations, list[tuple[str, Shown]]]]) -> str:
    """Say which rows are drawn, and how many are not."""
    left = [(one.dataset, one.candidates - len(runs)) for one, runs in parts if one.candidates > len(runs)]
    seeds = sorted({run.seed for _, runs in parts for _, run in runs})
    drawn = f"One run is drawn of each row, of seed {', '.join(map(str, seeds))}"
    if not left:
        return f"{drawn}."
    counted = ", ".join(f"{number} of {dataset}" for dataset, number in left)
    return f"{drawn}: SimCLR, CARE and the untrained encoder first, then the profile's order; {counted} are not drawn."
