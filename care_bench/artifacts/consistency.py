"""What the records of one collection must have in common."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import attrgetter

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
    _one_per("outcome of one measurement", records, "identity", "id", where)
    _one_per("profile", records, "", "profile", where)
    _one_per("version", records, "protocol", "protocol_version", where)
    _one_per("number of samples", records, "protocol", "samples", where)
    _one_per("content", records, "dataset", "data_sha256", where)
    _one_per("evaluation", records, "dataset", "evaluation", where)
    _one_per("unit", records, "metric", "unit", where)
    _one_per("direction", records, "metric", "higher_is_better", where)


_SHOWN = {"": "one collection", "protocol": "protocol {}", "dataset": "data set {}", "metric": "metric {}"}


def _one_per(what: str, records: Sequence[Record], group: str, value: str, where: str) -> None:
    """Check that records with the same ``group`` have the same ``value``, both names of attributes."""
    groups = list(map(attrgetter(group), records)) if group else [""] * len(records)
    found = list(map(attrgetter(value), records))
    if len(set(zip(groups, found, strict=True))) == len(set(groups)):
        return
    first: dict[Hashable, int] = {}
    for index, name in enumerate(groups):
        before = first.setdefault(name, index)
        if found[before] != found[index]:
            shown = (
                " ".join(str(part) for part in name if part != "")
                if group == "identity"
                else _SHOWN[group].format(name)
            )
            one, other = ("all" if v is None and value == "samples" else v for v in (found[before], found[index]))
            raise CareBenchError(
                f"{where}: found more than one {what} in {shown}: {one} and {other} "
                f"(records {records[before].id} and {records[index].id}); expected one"
            )
