"""What the records of one collection must have in common."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from operator import attrgetter

from care_bench.artifacts.record import Identity, Record
from care_bench.errors import CareBenchError

ONE_PER = (
    ("version", "protocol", "protocol", "protocol_version"),
    ("number of samples", "protocol", "protocol", "samples"),
    ("content", "data set", "dataset", "data_sha256"),
    ("evaluation", "data set", "dataset", "evaluation"),
    ("unit", "metric", "metric", "unit"),
    ("direction", "metric", "metric", "higher_is_better"),
)
"""What there is one of, for every protocol, data set or metric, and the keys of both."""


def check(records: Sequence[Record], where: str) -> None:
    """Check that records can be in one table.

    Raises:
        CareBenchError: no records; two measurements of the same thing; several profiles; one protocol at two
            versions or on two numbers of samples; one data set with two contents or two settings of its evaluation;
            one metric with two units or directions.
    """
    if not records:
        raise CareBenchError(f"{where}: found no records to collect; expected files of records with at least one")
    if len(set(map(attrgetter(*Identity._fields), records))) < len(records):
        _refuse_two("outcome of one measurement", records, lambda r: r.identity, lambda r: r.id, where)
    _refuse_two("profile", records, lambda r: "one collection", lambda r: r.profile, where)
    for what, kind, key, value in ONE_PER:
        found = set(map(attrgetter(key, value), records))
        if len({name for name, _ in found}) < len(found):
            _refuse_two(what, records, _named(kind, key), _shown(value), where)


def _named(kind: str, key: str) -> Callable[[Record], str]:
    return lambda record: f"{kind} {getattr(record, key)}"


def _shown(key: str) -> Callable[[Record], Hashable]:
    return lambda record: "all" if getattr(record, key) is None else getattr(record, key)


def _refuse_two(
    what: str,
    records: Sequence[Record],
    group: Callable[[Record], Hashable],
    value: Callable[[Record], Hashable],
    where: str,
) -> None:
    first: dict[Hashable, Record] = {}
    for record in records:
        name = group(record)
        before = first.setdefault(name, record)
        if value(before) != value(record):
            shown = " ".join(str(part) for part in name if part != "") if isinstance(name, tuple) else name
            raise CareBenchError(
                f"{where}: found more than one {what} in {shown}: {value(before)} and {value(record)} "
                f"(records {before.id} and {record.id}); expected one"
            )
