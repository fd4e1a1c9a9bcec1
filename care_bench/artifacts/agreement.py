"""How far the numbers of a fresh collection are those of a pin of the same profile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from care_bench.artifacts.record import Record


@dataclass(frozen=True)
class Agreement:
    """Values that two collections both have, measured by the same versions of the protocols.

    Attributes:
        compared: their number.
        equal: how many of them are equal to the bit.
        difference: the largest relative difference of the others; 0 where there are none.
        worst: the fresh record with that difference; None where all are equal.
        apart: records of the pin that have no counterpart, or none by the same version, or lack a value on one side.
    """

    compared: int
    equal: int
    difference: float
    worst: Record | None
    apart: int


def agreement(fresh: Iterable[Record], pinned: Iterable[Record]) -> Agreement:
    """Compare the values of records that measure the same thing."""
    ours = {(record.identity, record.protocol_version): record for record in fresh}
    compared = equal = apart = 0
    difference, worst = 0.0, None
    for record in pinned:
        other = ours.get((record.identity, record.protocol_version))
        if other is None or (other.value is None) != (record.value is None):
            apart += 1
            continue
        if other.value is None or record.value is None:  # neither has one: nothing to compare
            continue
        compared += 1
        if other.value == record.value:
            equal += 1
            continue
        found = abs(other.value - record.value) / max(abs(other.value), abs(record.value))
        if found > difference:
            difference, worst = found, other
    return Agreement(compared, equal, difference, worst, apart)
