"""Records that measure the same thing of one row, with several pretraining seeds."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from care_bench.artifacts.record import Record
from care_bench.names import Fidelity, Representation


class Place(NamedTuple):
    """What a record measures, without the seed; each key as a record has it."""

    epoch: int | None
    dataset: str
    backbone: str
    method: str
    base: str | None
    fidelity: Fidelity | None
    variant: str
    protocol: str
    representation: Representation
    metric: str


_PLACE = attrgetter(*Place._fields)


def grouped(records: Iterable[Record]) -> dict[Place, list[Record]]:
    """Group records by place, in the order of the first of each; those of a group keep their order."""
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        found.setdefault(_PLACE(record), []).append(record)
    return {Place(*place): group for place, group in found.items()}  # type: ignore[arg-type]
