"""From records to effects: the values of a row and its opponent, paired by pretraining seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from operator import attrgetter
from typing import NamedTuple, Protocol

import numpy as np

from care_bench.artifacts import Record
from care_bench.config.claims import CollapseGuard, Comparison, Guards, Measure
from care_bench.evidence.statistics import Values, paired_effects
from care_bench.names import Representation

BySeed = Mapping[int, Record]


class Measured(Protocol):
    """What effects are made of: a record, or what it would say of other test samples."""

    @property
    def seed(self) -> int:
        """The pretraining seed."""

    @property
    def value(self) -> float | None:
        """The number."""

    @property
    def values(self) -> Sequence[float] | None:
        """The numbers of its draws, where the rules count these."""


AnySeed = Mapping[int, Measured]
STILL = 1e-6
"""Largest value of a draw that changes nothing: such draws are left out of shares of draws."""


class Cell(NamedTuple):
    """One comparison on one data set; ``opponents`` are several where one is interpolated between them."""

    row: str
    opponents: tuple[str, ...]
    dataset: str
    representation: Representation
    epoch: int | None


@dataclass(frozen=True)
class Paired:
    """The effects of the seeds, or what stands in the way.

    Attributes:
        effects: (n,), on the scale of the comparison.
        seeds: (n,), rising.
        records: ids of all records that were used, those of the guards included.
        missing: which of the seeds that decide are left out, and why; "" if none is.
        absent: why there are too few values, for the verdict "not run".
        blocked: why there is no verdict although there are values, such as a guard.
    """

    effects: Values
    seeds: tuple[int, ...] = ()
    records: tuple[str, ...] = ()
    missing: str = ""
    absent: str = ""
    blocked: str = ""


class Index:
    """Records by what they measure, those of the seeds that decide.

    Attributes:
        seeds: that decide.
    """

    def __init__(self, records: Iterable[Record], seeds: Sequence[int]) -> None:
        self.seeds = tuple(seeds)
        self._found: dict[tuple[object, ...], dict[int, Record]] = {}
        self._without: dict[tuple[object, ...], dict[int, Record]] = {}
        place = attrgetter("dataset", "variant", "epoch", "representation", "protocol", "metric")
        wanted = set(seeds)
        for record in records:
            if record.seed in wanted:
                records_of = self._without if record.value is None else self._found
                records_of.setdefault(place(record), {})[record.seed] = record

    def of(self, row: str, cell: Cell, protocol: str, metric: str, representation: str | None = None) -> BySeed:
        """Return the records of a row with a value, by seed, at the data set and epoch of a cell."""
        place = (cell.dataset, row, cell.epoch, representation or cell.representation)
        return self._found.get((*place, protocol, metric), {})

    def missing(self, rows: Iterable[str], cell: Cell, by: Measure) -> list[str]:
        """Say for each row which seeds have no value at the data set and epoch of a cell, and why."""
        said = []
        for row in rows:
            place = (cell.dataset, row, cell.epoch, by.representation, by.protocol, by.metric)
            known, without = (one.get(place, {}) for one in (self._found, self._without))
            if gone := [seed for seed in self.seeds if seed not in known]:
                why = dict.fromkeys(str(without[seed].reason) if seed in without else "no record" for seed in gone)
                said.append(f"{by.metric} of {row}, seed {', '.join(map(str, gone))} ({'; '.join(why)})")
        return said


def cells(comparison: Comparison) -> list[Cell]:
    """Return every cell of a comparison, in the order of the rules."""
    opponents: Iterable[tuple[str, ...]] = [comparison.matched] if comparison.matched else [()]
    if comparison.against:
        opponents = [(name,) for name in comparison.against]
    parts = (comparison.rows, opponents, comparison.datasets, comparison.representations, comparison.epochs)
    return [Cell(*found) for found in product(*parts)]


def pair(index: Index, comparison: Comparison, cell: Cell, protocol: str, guards: Guards, least: int) -> Paired:
    """Pair the values of a cell under one protocol.

    Args:
        index: the records.
        comparison: the rule.
        cell: one of its cells.
        protocol: one of its protocols.
        guards: of the claim.
        least: fewest pairs.
    """
    names = (cell.row, *cell.opponents)
    found = [index.of(name, cell, protocol, comparison.metric) for name in names]
    movement: list[BySeed] = []
    if comparison.matched and (by := guards.movement):
        movement = [_measured(index, name, cell, by) for name in names]
    seeds = sorted(set.intersection(*(set(records) for records in (*found, *movement))))
    if len(seeds) < least:
        return Paired(np.empty(0), absent=_absent(names, found, movement, len(seeds), least))
    missing = index.missing(names, cell, measure_of(protocol, comparison.metric, cell))
    if comparison.matched and guards.movement:
        missing += index.missing(names, cell, guards.movement)
    used = [records[seed] for records in (*found, *movement) for seed in seeds]
    if guards.collapse and cell.opponents:
        pressed, blocked = _collapse(index, cell, guards.collapse, movement, seeds)
        used += pressed
    else:
        blocked = ""
    effects, problem = effects_of(comparison, found, movement, seeds)
    ids = tuple(dict.fromkeys(record.id for record in used))
    return Paired(effects, tuple(seeds), ids, left_out(missing), blocked=blocked or problem)


def measure_of(protocol: str, metric: str, cell: Cell) -> Measure:
    """Return what a rule measures at a cell."""
    return Measure(protocol=protocol, metric=metric, representation=cell.representation)


def left_out(missing: Sequence[str]) -> str:
    """Return one text of what :meth:`Index.missing` says; "" where nothing is missing."""
    return f"without {', '.join(missing)}" if missing else ""


def numbers(records: AnySeed, seeds: Iterable[int]) -> Values:
    """Return the values of some seeds as an array (n,)."""
    return np.array([value for seed in seeds if (value := records[seed].value) is not None])


def _measured(index: Index, row: str, cell: Cell, by: Measure) -> BySeed:
    return index.of(row, cell, by.protocol, by.metric, by.representation)


def effects_of(
    comparison: Comparison, found: Sequence[AnySeed], movement: Sequence[AnySeed], seeds: Sequence[int]
) -> tuple[Values, str]:
    """Return the effects (n,) on the scale of a comparison, or why there are none.

    Args:
        comparison: the rule.
        found: its metric of the row, then of its opponents.
        movement: where an opponent is interpolated, how far the same rows move.
        seeds: (n,).
    """
    own, *others = found
    try:
        if comparison.of == "share_of_draws":
            return np.array([_share(own[seed], others[0][seed], comparison.direction) for seed in seeds]), ""
        values = numbers(own, seeds)
        if not others:
            return values, ""
        if movement:
            opponent = _interpolated(others, movement, seeds, comparison.matched or (), comparison.scale == "log_ratio")
        else:
            opponent = numbers(others[0], seeds)
        return paired_effects(values, opponent, comparison.scale), ""
    except ValueError as error:
        return np.empty(0), str(error)


def _share(own: Measured, other: Measured, direction: str) -> float:
    """Return the share of the draws that change anything for which a row is on its side of the opponent."""
    if own.values is None or other.values is None or len(own.values) != len(other.values):
        raise ValueError(f"seed {own.seed} has no values of the same draws; expected one for each draw")
    one, two = np.array(own.values), np.array(other.values)
    moving = np.maximum(np.abs(one), np.abs(two)) > STILL
    if not moving.any():
        raise ValueError(f"no draw of seed {own.seed} changes anything")
    better = one < two if direction == "lower" else one > two
    return float(better[moving].mean())


def _interpolated(
    others: Sequence[AnySeed], movement: Sequence[AnySeed], seeds: Iterable[int], names: Iterable[str], ratio: bool
) -> Values:
    """Return the opponent of every seed (n,), at the row's own movement between the rows of other movement.

    The movement is interpolated on a log scale, and so is the metric of a ratio.

    Raises:
        ValueError: the row moves less or more than all of them, or a logarithm does not exist.
    """
    own, *moved = movement
    found = []
    for seed in seeds:
        at = [float(value) for records in (own, *moved) for value in numbers(records, [seed])]
        known = [float(value) for records in others for value in numbers(records, [seed])]
        if min(at) <= 0 or (ratio and min(known) <= 0):
            raise ValueError(f"seed {seed} has values that are not above 0; expected positive ones for a logarithm")
        if not min(at[1:]) <= at[0] <= max(at[1:]):
            raise ValueError(
                f"seed {seed} moves by {at[0]:.3g}, outside the {min(at[1:]):.3g} to {max(at[1:]):.3g} of "
                f"{', '.join(names)}: no matched opponent"
            )
        x, y = zip(*sorted(zip(np.log(at[1:]), np.log(known) if ratio else known, strict=True)), strict=True)
        value = float(np.interp(np.log(at[0]), x, y))
        found.append(float(np.exp(value)) if ratio else value)
    return np.array(found)


def _collapse(
    index: Index, cell: Cell, guard: CollapseGuard, movement: Sequence[BySeed], seeds: Sequence[int]
) -> tuple[list[Record], str]:
    """Return the records that the guard against collapse looks at, and its objection.

    A matched opponent is interpolated as that of the comparison is. Without one, the comparison itself says why.
    """
    own, *others = found = [_measured(index, name, cell, guard) for name in (cell.row, *cell.opponents)]
    if missing := [seed for seed in seeds if any(seed not in records for records in found)]:
        return [], f"{guard.metric} of seed {missing[0]} is not measured, so that collapse cannot be excluded"
    used = [records[seed] for records in found for seed in seeds]
    opponent = numbers(others[0], seeds)
    if movement:
        try:
            opponent = _interpolated(others, movement, seeds, cell.opponents, ratio=False)
        except ValueError:
            return used, ""
    excess = float((numbers(own, seeds) - opponent).mean())
    if excess <= guard.most:
        return used, ""
    at = ", interpolated where they move as far," if movement else ""
    return used, (
        f"{guard.metric} of {cell.row} exceeds that of {', '.join(cell.opponents)}{at} by {excess:.3g}, more than the "
        f"{guard.most:g} that the guard against collapse allows"
    )


def _absent(names: Sequence[str], found: Sequence[BySeed], movement: Sequence[BySeed], pairs: int, least: int) -> str:
    for name, records in zip(names, found, strict=True):
        if not records:
            return f"no values of {name}"
    for name, records in zip(names, movement, strict=False):
        if not records:
            return f"the movement of {name} is not measured"
    return f"{pairs} pairs of seeds; at least {least} are needed"
