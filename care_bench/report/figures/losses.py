"""The loss terms of runs through training, from the logs in their folders: records do not hold them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes
from care_bench.names import GRADIENT_RATIO
from care_bench.report.figures.drawing import legend, log_axis, small_multiples
from care_bench.report.figures.looks import Look, looks
from care_bench.report.figures.plots import Plot
from care_bench.runs.folder import RunFolder
from care_bench.untrusted import decoding, read_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MOST = 200
"""Most points of a curve; where there are more steps, a point is the mean of several."""
NOT_TERMS = ("step", "learning_rate")
COLUMNS = 3


class Stretch(NamedTuple):
    """Some steps of a run, one after another: the last of them, and mean, smallest and largest value of a term."""

    step: int
    mean: float
    low: float
    high: float


def losses_plot(folders: Sequence[Path]) -> Plot:
    """Return every term of the loss over the steps, a panel for each term, a curve for each run.

    Args:
        folders: of finished runs.

    Raises:
        CareBenchError: a folder is no finished run, its log is not the one its summary names, or was not trained.
    """
    runs: dict[str, dict[str, list[Stretch]]] = {}
    for folder in folders:
        name, lines = _read(folder)
        if name in runs:
            raise CareBenchError(f"{folder}: {name} is drawn already; expected runs of different names")
        terms = dict.fromkeys(key for line in lines for key in line if key not in NOT_TERMS)
        runs[name] = {term: stretches([(int(line["step"]), line[term]) for line in lines if term in line])
                      for term in terms}  # fmt: skip
    every = list(dict.fromkeys(term for found in runs.values() for term in found))
    return Plot(
        f"Loss of {', '.join(runs)}",
        "Every term of the loss as it is, without its weight, and their weighted sum `loss`, over the steps of the "
        "training."
        + (
            f" Where there are more than {MOST} steps a point is the mean of several, and the band holds all of them."
            if any(stretch.low < stretch.high for found in runs.values() for one in found.values() for stretch in one)
            else ""
        )
        + (" The gradient ratio is measured at a few steps." if GRADIENT_RATIO in every else ""),
        "Curves over the steps of the training, a panel for each term.",
        ("run", "term", *Stretch._fields),
        [(name, term, *one) for name, found in runs.items() for term in found for one in found[term]],
        lambda: _drawn(runs, every),
    )


def stretches(values: Sequence[tuple[int, float]]) -> list[Stretch]:
    """Divide a curve into at most ``MOST`` stretches of equal length, the last of which may be shorter."""
    length = math.ceil(len(values) / MOST)
    found = []
    for first in range(0, len(values), length):
        part = values[first : first + length]
        numbers = [value for _, value in part]
        found.append(Stretch(part[-1][0], math.fsum(numbers) / len(numbers), min(numbers), max(numbers)))
    return found


def _read(folder: Path) -> tuple[str, list[Mapping[str, float]]]:
    run = RunFolder(folder)
    summary = run.read_summary()
    if summary is None:
        raise CareBenchError(f"{folder} has no {run.summary.name}; expected the folder of a finished run")
    expected = "expected the log of the run"
    content = read_bytes(run.log, expected)
    if sha256_bytes(content) != summary.log_sha256:
        raise CareBenchError(f"{run.log} was changed: its SHA-256 is not that of {run.summary.name}; {expected}")
    with decoding(run.log, expected):
        lines = [json.loads(line) for line in content.splitlines()]
    if not lines:
        raise CareBenchError(f"{folder}: {summary.run} took no step; expected the folder of a run that is trained")
    return summary.run, lines


def _drawn(runs: Mapping[str, Mapping[str, list[Stretch]]], terms: Sequence[str]) -> Canvas:
    columns = min(COLUMNS, len(terms))
    canvas, grid = small_multiples(-(-len(terms) // columns), columns, 1.9)
    panels = [panel for line in grid for panel in line]
    for panel, term in zip(panels, terms, strict=False):
        for (name, found), look in zip(runs.items(), looks(len(runs)), strict=True):
            if term in found:
                _curve(panel, name, found[term], look, marked=term == GRADIENT_RATIO)
        panel.set_title(term)
        if term == GRADIENT_RATIO:
            log_axis(panel, "y")
    for panel in panels[len(terms) :]:
        panel.set_visible(False)
    canvas.supxlabel("step")
    legend(canvas, panels, 3)
    return canvas


def _curve(panel: Axes, name: str, found: Sequence[Stretch], look: Look, marked: bool) -> None:
    steps = [one.step for one in found]
    if any(one.low < one.high for one in found):
        lows, highs = [one.low for one in found], [one.high for one in found]
        panel.fill_between(steps, lows, highs, color=look.colour, alpha=0.15, linewidth=0)
    keys = look.keys if marked else {"color": look.colour, "linestyle": look.line}
    panel.plot(steps, [one.mean for one in found], label=name, **keys, linewidth=1)
