"""The command `care-bench verify --rerun`: the run of a pinned record is trained and measured again, and compared."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from care_bench.artifacts import Record
from care_bench.artifacts.agreement import NEAR, Agreement, agreement
from care_bench.artifacts.collection import Collection
from care_bench.artifacts.pin import read_pins
from care_bench.artifacts.record import Identity
from care_bench.config import EvaluationConfig, RunConfig
from care_bench.errors import CareBenchError
from care_bench.files import locked
from care_bench.names import IMPORTED
from care_bench.runs.folder import RunFolder

FOLDER = "rerun"
"""Folder below the results for runs that were trained again."""
DEVIATIONS = 3.0
"""Elsewhere a value may be this many standard deviations of the difference of two seeds off, from the pinned seeds of
its row, or ``NEAR``: another rounding is one of the things that training amplifies, as it does the seed."""
SHARE = 0.1
"""Share of the values of a run that may be further off: of the runs of the profile `cpu` taken for each other's reruns,
with another seed, one in fifty has more."""
RELATIVE, SHARE_OF_ONE = 0.1, 0.5
"""Where the pin has one seed, and so no spread: how far a value may be off, relative to the larger of the two, and the
share of the values that may be further off. Between an Intel and an AMD processor it was a third at most."""
LEAST = 6
"""Fewest hex digits of a record's id."""


def rerun(results: Path, name: str, data: Path, say: Callable[[str], None]) -> None:
    """Train and measure the run of a pinned record again, below `results/rerun`, and compare all its records.

    On the kind of machine that made the record, every value has to be equal to the bit. Elsewhere, with another device,
    Python or package, it may be as far off as that of another seed. The record itself has to be among what is compared,
    and among what is near enough, unless its row has one pinned seed: that is said then.
    An interrupted training goes on; a finished one, of an earlier call, is done again.

    Args:
        results: the results folder.
        name: id of a record in a pin, or its beginning.
        data: folder of prepared data sets.
        say: takes a line for the user.

    Raises:
        CareBenchError: no such record, or several; an imported encoder; other data; a record that is not measured any
            more as it was; or a value that is too far off.
    """
    pin, record = _found(results, name)
    if record.method == IMPORTED:
        raise CareBenchError(f"{record.id} is of an imported encoder, which is not trained here; measure it again")
    from care_bench.data import load

    run = RunConfig.parse(json.loads(record.config), f"record {record.id}: config")
    held = load(run.dataset, data, verify=True).sha256
    if held != record.data_sha256:
        raise CareBenchError(
            f"{record.id} was measured on data {record.data_sha256[:12]}, but {data / run.dataset} holds {held[:12]}; "
            "expected the same"
        )
    settings = _settings(record, run)
    same = [one for one in pin.records if one.config_sha256 == record.config_sha256 and one.seed == record.seed]
    say(f"{record.id} in {pin.key}: {run.id} of profile {run.profile}, {len(same)} records; training it again")
    fresh = _again(run, settings, results / FOLDER / run.profile / run.id, data)
    found = agreement(fresh, same)
    _say_record(record, fresh, say)
    if found.machine:
        say(
            f"another kind of machine: {found.machine}; {1 - SHARE:.0%} of the values have to be within {DEVIATIONS:g} "
            f"standard deviations of the difference of two pinned seeds, or {NEAR:.0%}; where the pin has one seed, "
            f"{1 - SHARE_OF_ONE:.0%} within {RELATIVE:.0%}"
        )
    largest = f"; the largest relative difference is {found.difference:.2g}" if found.difference else ""
    say(f"{found.equal} of {found.compared} values are equal to the bit, {found.near} within {NEAR:.0%}{largest}")
    if found.apart:
        say(found.apart)
    _check_record(record, fresh)
    _check(found, fresh, same, pin)
    if found.machine:
        _check_distance(record, fresh, pin, say)
    compared = "the numbers" if not found.unmeasured else f"the {found.compared} numbers that could be compared"
    say(f"passed: {compared} of {pin.key} hold here" + ("" if found.machine else ", to the bit"))


def _found(results: Path, name: str) -> tuple[Collection, Record]:
    wanted = name if name.startswith("r") else f"r{name}"
    if len(wanted) <= LEAST:
        raise CareBenchError(f"--rerun {name}: too short; expected the id of a record, such as r0123456789")
    pins = read_pins(results)
    found = {one.id: (pin, one) for pin in pins for one in pin.records if one.id.startswith(wanted)}
    if not found:
        raise CareBenchError(f"no pinned record has the id {name}; expected one that a report of the pin shows")
    if len(found) > 1:
        raise CareBenchError(f"--rerun {name}: {len(found)} records begin so, such as {', '.join(sorted(found)[:3])}")
    return next(iter(found.values()))


def _settings(record: Record, run: RunConfig) -> EvaluationConfig:
    """Return the settings of the record's evaluation; without an augmentation where it is the run's own."""
    # Records of before this limit have all test samples as queries.
    recorded = {"retrieval_queries": None, **json.loads(record.evaluation)}
    where = f"record {record.id}: evaluation"
    own = EvaluationConfig.parse({**recorded, "augmentation": None}, where)
    if own.recorded(run) == recorded:
        return own
    drawn = recorded["augmentation"]
    shape = {} if drawn["kind"] == "rotation" else {"size": json.loads(record.config)["augmentation"]["size"]}
    return EvaluationConfig.parse({**recorded, "augmentation": {**drawn, **shape}}, where)


def _again(run: RunConfig, settings: EvaluationConfig, folder: Path, data: Path) -> list[Record]:
    from care_bench.evaluation.run import evaluate
    from care_bench.training.pretrain import pretrain

    with locked(folder.parent, wait=True):  # what one call finishes is no other's to begin again
        kept = RunFolder(folder)
        kept.switch_to(run, wait=True)
        kept.summary.unlink(missing_ok=True)
        pretrain(run, data, folder, wait=True).check(run)
        return evaluate(folder, data, settings)


def _say_record(record: Record, fresh: Sequence[Record], say: Callable[[str], None]) -> None:
    again = next((one for one in fresh if one.identity == record.identity), None)
    what = f"{record.metric} ({record.protocol}, {record.representation})"
    now = "not measured" if again is None else again.reason if again.value is None else repr(again.value)
    say(f"{record.id}: {what}: pinned {record.reason if record.value is None else repr(record.value)}, again {now}")


def _check_record(record: Record, fresh: Iterable[Record]) -> None:
    """Check that a record is measured as it was, and that there is a value on both sides or on neither."""
    name = f"{record.id} ({record.metric} by {record.protocol})"
    again = next((one for one in fresh if one.identity == record.identity), None)
    if again is None:
        raise CareBenchError(f"{name} is not measured any more; expected the pin's code")
    if again.protocol_version != record.protocol_version:
        versions = f"{record.protocol_version}, now it is {again.protocol_version}"
        raise CareBenchError(f"{name} is by version {versions}; expected the pin's code")
    if (again.value is None) != (record.value is None):
        pinned, now = ("no value" if one.value is None else f"{one.value:.6g}" for one in (record, again))
        raise CareBenchError(f"{name}: pinned is {pinned}, again {now}; expected a value on both sides, or on neither")


def _check_distance(record: Record, fresh: Iterable[Record], pin: Collection, say: Callable[[str], None]) -> None:
    """Check that the record itself, measured on another machine, is no further off than the seeds of its row allow."""
    again = next(one for one in fresh if one.identity == record.identity)
    if record.value is None or again.value is None:
        return
    deviation = _spread([record], pin)[_row(record)]
    allowed, off = _allowed(record.value, again.value, deviation), abs(again.value - record.value)
    if off <= allowed:
        return
    text = f"{record.id} ({record.metric}) is off by {off:.3g}, more than the {allowed:.3g} that another machine may be"
    if deviation is not None:
        raise CareBenchError(f"{text}, from the pinned seeds of its row")
    say(f"{text}; its row has one pinned seed, which does not say how far values scatter: this record is not confirmed")


def _check(found: Agreement, fresh: Sequence[Record], same: Sequence[Record], pin: Collection) -> None:
    """Check that no value is further off than the machine allows."""
    if not found.compared:
        raise CareBenchError("no value could be compared; expected some by the same versions of their protocols")
    if found.one_sided and not found.machine:
        raise CareBenchError(f"{found.one_sided} records of {pin.key} have a value on one side only; expected none")
    now = {(one.identity, one.protocol_version): one.value for one in fresh}
    spread = _spread(same, pin)
    for several, share in ((True, SHARE), (False, SHARE_OF_ONE)):
        compared, off = 0, []
        for one in same:
            value, deviation = now.get((one.identity, one.protocol_version)), spread[_row(one)]
            if one.value is None or value is None or (deviation is not None) != several:
                continue
            compared += 1
            if abs(value - one.value) > (_allowed(one.value, value, deviation) if found.machine else 0.0):
                off.append(one)
        if len(off) > (share * compared if found.machine else 0):
            names = ", ".join(f"{one.metric} of {one.representation} ({one.id})" for one in off[:3])
            raise CareBenchError(f"{len(off)} of {compared} values are too far from those of {pin.key}: {names}")


def _allowed(pinned: float, value: float, deviation: float | None) -> float:
    """Return how far a value may be off on another kind of machine; a pin of one seed has no deviation."""
    if deviation is None:
        return RELATIVE * max(abs(pinned), abs(value))
    return max(DEVIATIONS * math.sqrt(2.0) * deviation, NEAR * abs(pinned))


def _spread(same: Iterable[Record], pin: Collection) -> dict[Identity, float | None]:
    """Return the standard deviation over the pinned seeds of each value; None where there is one seed."""
    values: dict[Identity, list[float]] = {_row(one): [] for one in same}
    for one in pin.records:
        if one.value is not None and (seeds := values.get(_row(one))) is not None:
            seeds.append(one.value)
    return {row: statistics.stdev(seeds) if len(seeds) > 1 else None for row, seeds in values.items()}


def _row(record: Record) -> Identity:
    """Return what all seeds of a row have in common."""
    return record.identity._replace(seed=0)
