"""Marks, curves and labels of a metric over a setting."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from care_bench.artifacts.settings import Setting
from care_bench.report.figures.drawing import log_axis, small_multiples, whiskers
from care_bench.report.figures.looks import PAPER, Look, looks
from care_bench.report.figures.placing import label_ends
from care_bench.report.labels import natural
from care_bench.report.statistics import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

LOGARITHMIC = 20
"""From the smallest positive number to the largest, of an axis that is logarithmic."""
LETTERS, TICKS, LISTED = 60, 8, 16
"""Most letters of names side by side below an axis, numbers that are all written there, groups in a legend's column."""
APART = 0.06
"""Least distance of two numbers below an axis, as a share of its length."""


class Point(NamedTuple):
    """Mean over the pretraining seeds of one row at one value of the setting."""

    group: Setting
    curve: str
    """Rows that differ in the setting alone are one curve."""
    x: Setting
    dataset: str
    row: str
    label: str
    """Of its method."""
    found: Summary


def curves_apart(points: Sequence[Point]) -> list[Point]:
    """Return points of which no group has two curves: such a group has one for every method, data set and curve."""
    curves: dict[Setting, dict[str, Point]] = defaultdict(dict)
    for point in points:
        if point.curve:
            curves[point.group][point.curve] = point
    several = len({point.dataset for point in points}) > 1
    found = []
    for point in points:
        alike = curves[point.group]
        if len(alike) > 1:
            named = (point.group, point.dataset if several and point.dataset != point.group else None, point.label)
            name = ", ".join(str(part) for part in named if part is not None)
            same = [one for one in alike.values() if (one.dataset, one.label) == (point.dataset, point.label)]
            if point.curve and len(same) > 1:
                name += f" [{alike[point.curve].row}]"
            point = point._replace(group=name)
        found.append(point)
    return found


def drawn_over(points: Sequence[Point], numeric: bool, x: str, label: str) -> Canvas:
    """Draw points with their intervals, a colour for each group; rows that differ in the setting alone are joined."""
    groups = dict.fromkeys(point.group for point in points)
    columns = -(-len(groups) // LISTED)
    canvas, ((panel,),) = small_multiples(1, 1, 3.4, 4.2 + 1.4 * columns)
    known = dict(zip(groups, looks(len(groups)), strict=True))
    names = sorted({str(point.x) for point in points}, key=natural)
    joined = numeric and any(point.curve for point in points)
    for place, (group, look) in enumerate(known.items()):
        shift = 0.0 if numeric or len(known) == 1 else 0.5 * (place / (len(known) - 1) - 0.5)
        shown = [point for point in points if point.group == group]
        for curve in dict.fromkeys(point.curve for point in shown):
            here = [point for point in shown if point.curve == curve]
            at = [_number(point.x) if numeric else names.index(str(point.x)) + shift for point in here]
            found = [point.found for point in here]
            if joined and curve:
                panel.plot(at, [one.mean for one in found], **look.keys)
                whiskers(panel, at, found, look)
            elif joined:
                whiskers(panel, at, found, look, markerfacecolor=PAPER, markeredgecolor=look.colour, elinewidth=0.6)
            else:
                whiskers(panel, at, found, look)
    panel.set(xlabel=x, ylabel=label)
    means = [point.found.mean for point in points]
    if _is_wide(means):
        log_axis(panel, "y")
    if numeric:
        _number_axis(panel, sorted({_number(point.x) for point in points}))
    else:
        panel.set_xticks(range(len(names)), names)
        if sum(map(len, names)) > LETTERS:
            panel.tick_params(axis="x", labelrotation=90)
    if list(groups) != [None]:
        _name_groups(panel, points, known, direct=joined, columns=columns)
    return canvas


def _number_axis(panel: Axes, at: Sequence[float]) -> None:
    if _is_wide(at):
        log_axis(panel, "x")
    if len(at) > TICKS:
        return
    shown: list[float] = []
    for place in at:
        across = [panel.transData.transform((one, panel.get_ylim()[0]))[0] for one in [*shown[-1:], place]]
        if len(across) == 1 or across[1] - across[0] > APART * panel.bbox.width:
            shown.append(place)
    panel.set_xticks(shown, [f"{place:g}" for place in shown])


def _name_groups(
    panel: Axes, points: Sequence[Point], known: Mapping[Setting, Look], direct: bool, columns: int
) -> None:
    """Name each group at the end of its one curve, else all in a legend."""
    curves = [[point for point in points if (point.group, point.curve) == one]
              for one in dict.fromkeys((point.group, point.curve) for point in points)]  # fmt: skip
    if direct and len(curves) == len(known) and all(curve[0].curve for curve in curves):
        ends = [curve[-1] for curve in curves]
        label_ends(panel, [(_number(one.x), one.found.mean, str(one.group), known[one.group].colour) for one in ends])
        return
    for group, look in known.items():
        panel.plot([], [], label=str(group), **look._replace(line=look.line if direct else "none").keys)
    panel.legend(loc="center left", bbox_to_anchor=(1, 0.5), ncols=columns)


def _number(value: Setting) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _is_wide(values: Sequence[float]) -> bool:
    """Say whether a logarithmic axis shows numbers better."""
    return min(values) > 0 and max(values) > LOGARITHMIC * min(values)
