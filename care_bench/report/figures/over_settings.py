"""Any metric over any setting: what `care-bench plot --x --y --by` draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.artifacts.settings import Setting, flattened, key_of
from care_bench.config.base import spelt
from care_bench.errors import CareBenchError, unknown
from care_bench.names import Representation
from care_bench.report.figures.over_drawing import Point, curves_apart, drawn_over
from care_bench.report.figures.plots import INTERVAL, Plot, numbers
from care_bench.report.figures.rows import REFERENCES
from care_bench.report.labels import method_label, metric_label, natural
from care_bench.report.statistics import summarise
from care_bench.report.variants import Variants

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


def metric_plot(
    collection: Collection,
    x: str,
    y: str,
    by: str | None = None,
    representation: Representation = "projection",
    where: Mapping[str, str] = MappingProxyType({}),
) -> Plot:
    """Return a metric over a setting: curves through rows that differ in the setting alone, else points.

    Args:
        collection: its records.
        x: a setting by its dotted key or the end of it, such as `method.weight` or `weight`, or a key of ``FIELDS``;
            with `epoch` the snapshots of a run are drawn.
        y: a metric, or `PROTOCOL/METRIC` where several protocols have it.
        by: what colours tell apart, named as ``x`` is.
        representation: of which the metric is.
        where: names, as ``x`` is, with the value of the rows that are drawn.

    Raises:
        CareBenchError: an unknown or ambiguous name, nothing that has both, or no snapshots to draw over `epoch`.
    """
    records = _measured(collection, y, representation, snapshots=x == "epoch")
    for name, value in where.items():
        records = _with(records, name, value)
    if x == "epoch":
        _require_snapshots(collection, records, y)
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
        draw=lambda: drawn_over(curves_apart(points) if numeric else points, numeric, x, _axis_label(records[0])),
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
        one = [record for record in collection.records if record.metric == metric and record.value is not None]
        others = " or ".join(sorted({f"--representation {record.representation}" for record in one}))
        raise CareBenchError(
            f"{y} has no value of the {representation} in {collection.key}; expected {others or 'another metric'}"
        )
    measured = sorted({record.protocol for record in found})
    if len(measured) > 1:
        names = ", ".join(f"{name}/{metric}" for name in measured)
        raise CareBenchError(f"metric {metric!r} is measured by several protocols; expected one of {names}")
    return found


def _require_snapshots(collection: Collection, records: Sequence[Record], y: str) -> None:
    """Refuse what was measured after the last step alone: it would be one column of marks."""
    if any(record.epoch is not None for record in records):
        return
    others = sorted({f"{record.protocol}/{record.metric}" for record in collection.records if record.epoch is not None})
    there = f"snapshots have {', '.join(others)}" if others else "expected training.snapshot_epochs in its profile"
    raise CareBenchError(f"{collection.key} has no snapshots of {y} in the rows to draw; {there}")


def _with(records: Sequence[Record], name: str, value: str) -> list[Record]:
    """Return the records whose run has a value, as it is written in YAML, for a name."""
    column = _column(records, name)
    found = [record for place, record in enumerate(records) if place in column and _is(column[place], value)]
    if not found:
        raise unknown(f"value of {name}", value, {_written(one) for one in column.values()})
    return found


def _is(one: Setting, value: str) -> bool:
    """Whether a setting is a value as it is written in YAML; numbers are compared as such: 10 is 10.0."""
    if isinstance(one, int | float) and not isinstance(one, bool):
        with suppress(ValueError):
            return float(value) == one
    return _written(one) == value


def _written(one: Setting) -> str:
    return spelt(one).strip("'")


def _column(records: Sequence[Record], name: str) -> dict[int, Setting]:
    """Return what every record has for a name; without those that lack it."""
    if name == "epoch":
        return _epochs(records)
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


def _epochs(records: Sequence[Record]) -> dict[int, Setting]:
    """Return the epoch of every snapshot, and that of the end; a snapshot of the end is left out where both are there.

    Reference rows have no training.
    """
    ended = {(record.dataset, record.variant, record.seed) for record in records if record.epoch is None}
    found: dict[int, Setting] = {}
    for place, record in enumerate(records):
        end = flattened(record.config).get("training.epochs")
        twice = record.epoch == end and (record.dataset, record.variant, record.seed) in ended
        epoch = end if record.epoch is None else record.epoch
        if epoch is not None and record.method not in REFERENCES and not twice:
            found[place] = epoch
    return found


def _points(
    records: Sequence[Record], across: Mapping[int, Setting], groups: Mapping[int, Setting], x: str, by: str | None
) -> list[Point]:
    """Return means over the seeds, sorted by group, curve and place; ``curve`` is empty where a row is alone."""
    values: dict[tuple[Setting, str, Setting, str, str, str], list[float]] = defaultdict(list)
    variants = Variants(records)
    for place, record in enumerate(records):
        if place in across and place in groups and record.value is not None:
            settings = flattened(record.config)
            rest = {
                key: value
                for key, value in settings.items()
                if key not in IDENTITY and not (key == x or key.endswith(f".{x}"))
            }
            curve = repr((record.dataset, record.variant if x == "epoch" else sorted(rest.items())))
            released = ", released code" if record.fidelity == "released-code" else ""
            label = method_label(record.method, record.base, variants.of(record).setting) + released
            key = groups[place], curve, across[place], record.dataset, record.variant, label
            values[key].append(record.value)
    if not values:
        raise CareBenchError(f"no run has both {x!r} and {by!r}; expected another column")
    places: dict[tuple[Setting, str], set[Setting]] = defaultdict(set)
    for group, curve, at, *_ in values:
        places[group, curve].add(at)
    points = [
        Point(group, curve if len(places[group, curve]) > 1 else "", at, dataset, row, label, summarise(found))
        for (group, curve, at, dataset, row, label), found in values.items()
    ]
    return sorted(points, key=lambda point: (natural(str(point.group)), point.curve, _order(point.x), point.row))


def _order(value: Setting) -> tuple[object, ...]:
    number = isinstance(value, int | float)
    return (not number, value if number else 0.0, "" if number else natural(str(value)))


def _axis_label(record: Record) -> str:
    return metric_label(record.metric) + ("" if record.unit == "1" else f" ({record.unit})")
