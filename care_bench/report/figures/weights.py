"""Figure 7 of CARE: what the weight of the added term does, with the method without it as a band."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from care_bench.report.figures.drawing import small_multiples, whiskers
from care_bench.report.figures.looks import GREY, INK, looks
from care_bench.report.figures.plots import INTERVAL, Plot, numbers, over_seeds
from care_bench.report.figures.rows import GAMMA, HELD_OUT, MOVED, PROBES, Measure, Place, Rows
from care_bench.report.labels import Variant, method_label
from care_bench.report.statistics import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

WEIGHT = "method.weight"
FEWEST = 3
"""Fewest weights that make a sweep."""
COMPONENT = Measure("first-pc-v1", "first_pc_r2", "projection", "R² of the first component")


class Sweep(NamedTuple):
    """Rows that differ in the weight alone, by rising weight, and the row without the term."""

    dataset: str
    base: Variant | None
    rows: tuple[tuple[float, Variant], ...]


def sweeps(rows: Rows) -> list[Sweep]:
    """Return every sweep of the weight of an added term, in the order of the rows."""
    found: dict[tuple[str, str], list[tuple[float, Variant]]] = defaultdict(list)
    for dataset, row in rows.places:
        settings = rows.settings((dataset, row))
        weight = settings.get(WEIGHT)
        if row.base is not None and isinstance(weight, int | float):
            rest = {key: value for key, value in settings.items() if key not in (WEIGHT, "variant", "seed")}
            found[dataset, repr(sorted(rest.items()))].append((float(weight), row))
    bases = {(dataset, row): family[0] for dataset in rows.datasets for family in rows.wrappers(dataset)
             for row in family}  # fmt: skip
    return [
        Sweep(dataset, bases.get((dataset, swept[0][1])), tuple(sorted(swept)))
        for (dataset, _), swept in found.items()
        if len({weight for weight, _ in swept}) >= FEWEST
    ]


def weight_plot(rows: Rows) -> Plot | None:
    """Return accuracy, equivariance and movement over the weight; None where no weight was swept, or none measured."""
    found = sweeps(rows)
    measured = {sweep: [one for one in _measures(rows, sweep.dataset) if one] for sweep in found}
    table: list[tuple[object, ...]] = []
    for sweep in found:
        for measure in measured[sweep]:
            values = rows.summaries(measure)
            base = [(0.0, sweep.base)] if sweep.base else []
            for weight, row in [*base, *sweep.rows]:
                if (sweep.dataset, row) in values:
                    place = measure.protocol, measure.metric, measure.representation
                    table.append((sweep.dataset, row.name, weight, *place, *numbers(values[sweep.dataset, row])))
    if not table:
        return None
    found = [sweep for sweep in found if measured[sweep]]
    seeds = [int(str(row[6])) for row in table]

    def draw() -> Canvas:
        columns = max(map(len, measured.values()))
        canvas, panels = small_multiples(len(found), columns, 1.9)
        for line, sweep in zip(panels, found, strict=True):
            for panel, measure in zip(line, measured[sweep], strict=False):
                _draw(panel, sweep, measure, rows.summaries(measure))
            for panel in line[len(measured[sweep]) :]:
                panel.set_visible(False)
            first = sweep.rows[0][1]
            line[0].set_ylabel(f"{sweep.dataset}\n{method_label(first.method, first.base, first.setting)}")
        for panel in panels[-1]:
            panel.set_xlabel("weight of the term")
        return canvas

    return Plot(
        "Weight of the added term",
        "What rises and falls with the weight of the term that a method adds to its base, everything else equal: "
        f"{over_seeds(seeds)}. {_base(found, seeds)}Accuracy is that of the features"
        f"{_by(measured.values())}, the other numbers are those of the projection."
        + (
            " The held-out error is that of the best map, as a fraction of the movement."
            if any(HELD_OUT in each for each in measured.values())
            else ""
        ),
        "Curves over the weight, one row of panels per sweep, one panel per number.",
        ("dataset", "row", "weight", "protocol", "metric", "representation", *INTERVAL),
        table,
        draw,
    )


def _base(found: Sequence[Sweep], seeds: Sequence[int]) -> str:
    """Say what the base method is in the drawing, where it has a row."""
    if not any(sweep.base for sweep in found):
        return ""
    return f"The line{' with its band' if max(seeds) > 1 else ''} is the base method alone, weight 0. "


def _by(measured: Iterable[Sequence[Measure]]) -> str:
    probes = dict.fromkeys(one.protocol for found in measured for one in found if one in PROBES)
    return f" under {' or '.join(probes)}" if probes else ""


def _measures(rows: Rows, dataset: str) -> list[Measure | None]:
    known = rows.first((*PROBES, COMPONENT), dataset)
    return [known, *(rows.first([one], dataset) for one in (HELD_OUT, GAMMA, MOVED))]


def _draw(panel: Axes, sweep: Sweep, measure: Measure, values: dict[Place, Summary]) -> None:
    shown = [(weight, values[sweep.dataset, row]) for weight, row in sweep.rows if (sweep.dataset, row) in values]
    base = values.get((sweep.dataset, sweep.base)) if sweep.base else None
    if base is not None:
        panel.axhline(base.mean, color=GREY, linewidth=1)
        if base.low is not None and base.high is not None:
            panel.axhspan(base.low, base.high, color=GREY, alpha=0.18, linewidth=0)
    look = looks(2)[1]
    panel.plot([weight for weight, _ in shown], [one.mean for _, one in shown], color=look.colour, linewidth=1)
    whiskers(panel, [weight for weight, _ in shown], [one for _, one in shown], look)
    if any(weight == 0 for weight, _ in shown):  # has no place on a logarithmic axis
        panel.set_xscale("symlog", linthresh=min((weight for weight, _ in shown if weight > 0), default=1.0))
    else:
        panel.set_xscale("log")
    panel.set_xticks([weight for weight, _ in shown], [f"{weight:g}" for weight, _ in shown], color=INK)
    panel.minorticks_off()
    panel.set_title(measure.label)
