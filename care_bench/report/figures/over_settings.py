"""Any metric over any setting: what `care-bench plot --x --y --by` draws."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.artifacts.settings import Setting, flattened, key_of
from care_bench.errors import CareBenchError, unknown
from care_bench.names import Representation
from care_bench.report.figures.drawing import PAPER, Look, label_ends, log_axis, looks, small_multiples, whiskers
from care_bench.report.figures.plots import INTERVAL, Plot, numbers
from care_bench.report.labels import metric_label, natural, variant_of
from care_bench.report.statistics import Summary, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

FIELDS = {
    "dataset": "dataset",
    "row": "variant",
    "method": "method",
    "base": "base",
    "fidelity": "fidelity",
    "backbone": "backbone",
    "seed": "seed",
    "epoch": "epoch",
}
"""Columns of a record that can be drawn over, beside the settings."""
IDENTITY = ("profile", "variant", "seed")
"""Settings that tell runs apart and do not change how they are trained."""
LOGARITHMIC = 20
"""From the smallest positive number to the largest, of an axis that is logarithmic."""
LETTERS, TICKS = 60, 8
"""Most letters of names that stand side by side below an axis, and most numbers of which each is written there."""


class Point(NamedTuple):
    """Mean over the pretraining seeds of one row at one value of the setting."""

    group: Setting
    curve: str
    """Rows that differ in the setting alone are one curve."""
    x: Setting
    dataset: str
    row: str
    found: Summary


def metric_plot(
    collection: Collection, x: str, y: str, by: str | None = None, representation: Representation = "projection"
) -> Plot:
    """Return a metric over a setting: curves through rows that differ in the setting alone, else points.

    Args:
        collection: its records.
        x: a setting by its dotted key or the end of it, such as `method.weight` or `weight`, or a key of ``FIELDS``;
            with `epoch` the snapshots of a run are drawn.
        y: a metric, or `PROTOCOL/METRIC` where several protocols have it.
        by: what colours tell apart, named as ``x`` is.
        representation: of which the metric is.

    Raises:
        CareBenchError: an unknown or ambiguous name, or nothing that has both.
    """
    records = _measured(collection, y, representation, snapshots=x == "epoch")
    across = _column(records, x)
    groups = _column(records, by) if by is not None else dict.fromkeys(range(len(records)))
    points = _points(records, across, groups, x, by)
    joined = any(point.curve for point in points)
    numeric = all(isinstance(point.x, int | float) and not isinstance(point.x, bool) for point in points)
    dropped = sorted({record.variant for record in records} - {point.row for point in points})
    protocol = records[0].protocol
    title = f"{metric_label(records[0].metric)} over {x}" + (f" by {by}" if by else "")
    return Plot(
        title=title,
        caption=(
            f"{metric_label(records[0].metric)} ({protocol}, {representation}) over {x}: means over the pretraining "
            "seeds, with 95 % t-intervals where there are several."
            + (" Lines join rows that differ in it alone; hollow: no other row does." if numeric and joined else "")
            + (f" Without it: {', '.join(dropped)}." if dropped else "")
        ),
        alt=f"{title}, marks with intervals.",
        columns=(x, *([by] if by else []), "dataset", "row", *INTERVAL),
        rows=[
            (point.x, *([point.group] if by else []), point.dataset, point.row, *numbers(point.found))
            for point in points
        ],
        draw=lambda: _drawn(points, numeric, x, _axis_label(records[0])),
    )


def _measured(collection: Collection, y: str, representation: str, snapshots: bool) -> list[Record]:
    """Return the records of a metric that have a value; those of reference rows and imported encoders too."""
    protocol, _, metric = y.rpartition("/")
    known = {(record.protocol, record.metric) for record in collection.records}
    if metric not in {name for _, name in known}:
        raise unknown("metric", metric, {name for _, name in known})
    protocols = sorted(name for name, found in known if found == metric)
    if protocol and protocol not in protocols:
        raise unknown(f"protocol of {metric}", protocol, protocols)
    found = [
        record
        for record in collection.records
        if (record.metric, record.representation) == (metric, representation)
        and record.protocol in ([protocol] if protocol else protocols)
        and record.value is not None
        and (snapshots or record.epoch is None)
    ]
    if not found:
        raise CareBenchError(f"{y} has no value of the {representation} in {collection.key}; expected another metric")
    measured = sorted({record.protocol for record in found})
    if len(measured) > 1:
        names = ", ".join(f"{name}/{metric}" for name in measured)
        raise CareBenchError(f"metric {metric!r} is measured by several protocols; expected one of {names}")
    return found


def _column(records: Sequence[Record], name: str) -> dict[int, Setting]:
    """Return what every record has for a name; without those that lack it."""
    if name == "epoch":  # of the end of the training, where there is no snapshot
        ends = [flattened(record.config).get("training.epochs") for record in records]
        every = {place: record.epoch if record.epoch is not None else ends[place]
                 for place, record in enumerate(records)}  # fmt: skip
        return {place: value for place, value in every.items() if value is not None}
    if name in FIELDS:
        found = {place: getattr(record, FIELDS[name]) for place, record in enumerate(records)}
    else:
        configs = {record.config: flattened(record.config) for record in records}
        order = {config: place for place, config in enumerate(configs)}
        keys = key_of(name, list(configs.values()), FIELDS)
        found = {
            place: configs[record.config][keys[order[record.config]]]
            for place, record in enumerate(records)
            if order[record.config] in keys
        }
    return {place: value for place, value in found.items() if value is not None}


def _points(
    records: Sequence[Record], across: Mapping[int, Setting], groups: Mapping[int, Setting], x: str, by: str | None
) -> list[Point]:
    """Return means over the seeds, sorted by group, curve and place; ``curve`` is empty where a row is alone."""
    values: dict[tuple[Setting, str, Setting, str, str], list[float]] = defaultdict(list)
    for place, record in enumerate(records):
        if place in across and place in groups and record.value is not None:
            settings = flattened(record.config)
            rest = {
                key: value
                for key, value in settings.items()
                if key not in IDENTITY and not (key == x or key.endswith(f".{x}"))
            }
            curve = repr((record.dataset, variant_of(record).name if x == "epoch" else sorted(rest.items())))
            values[groups[place], curve, across[place], record.dataset, record.variant].append(record.value)
    if not values:
        raise CareBenchError(f"no run has both {x!r} and {by!r}; expected another column")
    places: dict[tuple[Setting, str], set[Setting]] = defaultdict(set)
    for group, curve, at, *_ in values:
        places[group, curve].add(at)
    points = [
        Point(group, curve if len(places[group, curve]) > 1 else "", at, dataset, row, summarise(found))
        for (group, curve, at, dataset, row), found in values.items()
    ]
    return sorted(points, key=lambda point: (natural(str(point.group)), point.curve, _order(point.x), point.row))


def _order(value: Setting) -> tuple[object, ...]:
    number = isinstance(value, int | float)
    return (not number, value if number else 0.0, "" if number else natural(str(value)))


def _axis_label(record: Record) -> str:
    return metric_label(record.metric) + ("" if record.unit == "1" else f" ({record.unit})")


def _drawn(points: Sequence[Point], numeric: bool, x: str, label: str) -> Canvas:
    canvas, ((panel,),) = small_multiples(1, 1, 3.4, 5.6)
    groups = dict.fromkeys(point.group for point in points)
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
        turned = {"rotation": 45, "ha": "right"} if sum(map(len, names)) > LETTERS else {}
        panel.set_xticks(range(len(names)), names, **turned)
    if list(groups) != [None]:
        _name_groups(panel, points, known, direct=joined)
    return canvas


def _number_axis(panel: Axes, at: Sequence[float]) -> None:
    if _is_wide(at):
        log_axis(panel, "x")
    if len(at) <= TICKS:
        panel.set_xticks(at, [f"{place:g}" for place in at], minor=False)


def _name_groups(panel: Axes, points: Sequence[Point], known: Mapping[Setting, Look], direct: bool) -> None:
    """Name each group at the end of its one curve, else all in a legend."""
    curves = [[point for point in points if (point.group, point.curve) == one]
              for one in dict.fromkeys((point.group, point.curve) for point in points)]  # fmt: skip
    if direct and len(curves) == len(known) and all(curve[0].curve for curve in curves):
        ends = [curve[-1] for curve in curves]
        label_ends(panel, [(_number(one.x), one.found.mean, str(one.group), known[one.group].colour) for one in ends])
        return
    for group, look in known.items():
        panel.plot([], [], label=str(group), **look._replace(line=look.line if direct else "none").keys)
    panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _number(value: Setting) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _is_wide(values: Sequence[float]) -> bool:
    """Say whether a logarithmic axis shows numbers better."""
    return min(values) > 0 and max(values) > LOGARITHMIC * min(values)
