"""How far the numbers of a fresh collection are those of a pin of the same profile."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from care_bench.artifacts.record import TRAINED, Record

NEAR = 0.01
"""Relative difference up to which a value is near that of the pin."""
_MADE_OF = {
    "data": "data_sha256",
    "numbers of samples": "samples",
    "settings of the measurement": "evaluation",
    "settings of the run": "config",
}
"""What two values of one measurement should have in common, and the key of a record that says it."""


@dataclass(frozen=True)
class Agreement:
    """Values that two collections both have, measured by the same versions of the protocols.

    Attributes:
        compared: their number.
        equal: how many of them are equal to the bit.
        near: how many of them are within 1 %, the equal ones too.
        difference: the largest relative difference of the others; 0 where there are none.
        worst: the fresh record with that difference; None where all are equal.
        unmeasured: records of the pin that have no counterpart by the same version of their protocol.
        one_sided: records that have a value on one side alone.
        otherwise: what differs, such as "data" -> how many of the compared values were made so.
        machine: in what the machines differ, such as "device cpu: A instead of cpu: B"; empty if they are of one kind,
            and several such texts where the records are of several machines.
    """

    compared: int
    equal: int
    near: int
    difference: float
    worst: Record | None
    unmeasured: int
    one_sided: int
    otherwise: Mapping[str, int]
    machine: str

    @property
    def apart(self) -> str:
        """What could not be compared, or only with what was made otherwise, in words; empty if all could."""
        without = f"{self.unmeasured} of its records have no counterpart by the same version of their protocol"
        one_sided = f"{self.one_sided} have a value on one side only"
        made = [f"{count} compared values are of other {what}" for what, count in self.otherwise.items()]
        said = [text for text, count in ((without, self.unmeasured), (one_sided, self.one_sided)) if count]
        return "; ".join([*said, *made])


def agreement(fresh: Iterable[Record], pinned: Iterable[Record]) -> Agreement:
    """Compare the values of records that measure the same thing."""
    ours = {(record.identity, record.protocol_version): record for record in fresh}
    compared = equal = near = unmeasured = one_sided = 0
    machines: dict[str, None] = {}
    otherwise: Counter[str] = Counter()
    difference, worst = 0.0, None
    for record in pinned:
        other = ours.get((record.identity, record.protocol_version))
        if other is None:
            unmeasured += 1
            continue
        if other.value is None or record.value is None:
            one_sided += (other.value is None) != (record.value is None)
            continue
        if text := machine_difference(other, record):
            machines[text] = None
        otherwise.update(what for what, key in _MADE_OF.items() if getattr(other, key) != getattr(record, key))
        compared += 1
        found = relative_difference(other.value, record.value)
        near += found <= NEAR
        equal += not found
        if found > difference:
            difference, worst = found, other
    return Agreement(compared, equal, near, difference, worst, unmeasured, one_sided, otherwise, "; ".join(machines))


def relative_difference(value: float, other: float) -> float:
    """Return how far two numbers are apart, relative to the larger one: 0 where they are equal to the bit, else > 0."""
    if value == other:
        return 0.0
    return max(abs(value - other) / max(abs(value), abs(other)), math.ulp(0.0))


def machine_difference(ours: Record, theirs: Record) -> str:
    """Say in what two records' machines differ: device, Python, packages; their kernels and code do not count.

    The machine of the training counts too; unless a record says otherwise, it is that of the measurement.
    """
    here, there = ({**one.environment, "device": one.device} for one in (ours, theirs))
    said = []
    for key in sorted(here | there):
        one, other = (found.get(key, found.get(key.removeprefix(TRAINED), "absent")) for found in (here, there))
        if one != other and key.removeprefix(TRAINED) not in ("platform", "code_version"):
            said.append(f"{key} {one} instead of {other}")
    return ", ".join(said)
