"""What the records of one collection must have in common."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from care_bench.artifacts.record import Record
from care_bench.errors import CareBenchError


def check(records: Sequence[Record], where: str) -> None:
    """Check that records can be in one table.

    Raises:
        CareBenchError: no records; two measurements of the same thing; several profiles; one protocol at two
            versions or on two numbers of samples; one data set with two contents or two settings of its evaluation;
            one metric with two units or directions.
    """
    if not records:
        raise CareBenchError(f"{where}: found no records to collect; expected files of records with at least one")
    _one_per("outcome of one measurement", records, lambda r: r.identity, lambda r: r.id, where)
    _one_per("profile", records, lambda r: "one collection", lambda r: r.profile, where)
    _one_per("version", records, lambda r: f"protocol {r.protocol}", lambda r: r.protocol_version, where)
    _one_per("number of samples", records, lambda r: f"protocol {r.protocol}", lambda r: r.samples or "all", where)
    _one_per("content", records, lambda r: f"data set {r.dataset}", lambda r: r.data_sha256, where)
    _one_per("evaluation", records, lambda r: f"data set {r.dataset}", lambda r: r.evaluation, where)
    _one_per("unit", records, lambda r: f"metric {r.metric}", lambda r: r.unit, where)
    _one_per("direction", records, lambda r: f"metric {r.metric}", lambda r: r.higher_is_better, where)


def _one_per(
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
