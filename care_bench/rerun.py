"""The command `care-bench verify --rerun`: the run of a pinned record is trained and measured again, and compared."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from care_bench.artifacts import Record
from care_bench.artifacts.agreement import Agreement, agreement
from care_bench.artifacts.collection import Collection
from care_bench.artifacts.pin import read_pins
from care_bench.config import EvaluationConfig, RunConfig
from care_bench.errors import CareBenchError
from care_bench.names import IMPORTED
from care_bench.runs.folder import RunFolder

FOLDER = "rerun"
"""Folder below the results for runs that were trained again."""
DEVIATIONS = 3.0
"""Elsewhere a value may be this many standard deviations off, over the pinned seeds of its row: as another seed's."""
RELATIVE = 0.05
"""Elsewhere a value of a row with one seed may be this far off, relative to the larger of the two."""
LEAST = 6
"""Fewest hex digits of a record's id."""


def rerun(results: Path, name: str, data: Path, say: Callable[[str], None]) -> None:
    """Train and measure the run of a pinned record again, below `results/rerun`, and compare all its records.

    On the kind of machine that made the record, every value has to be equal to the bit. Elsewhere, with another device,
    Python or package, it may be as far off as that of another seed.

    Args:
        results: the results folder.
        name: id of a record in a pin, or its beginning.
        data: folder of prepared data sets.
        say: takes a line for the user.

    Raises:
        CareBenchError: no such record, or several; an imported encoder; other data; or a value that is too far off.
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
    for line in _other_machine(record, fresh[0]):
        say(line)
    largest = f"; the largest relative difference is {found.difference:.2g}" if found.difference else ""
    say(f"{found.equal} of {found.compared} values are equal to the bit{largest}")
    if found.apart:
        say(f"{found.apart} records have no counterpart by the same version of their protocol")
    _check(found, fresh, same, pin, exact=not _other_machine(record, fresh[0]))


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
    recorded = json.loads(record.evaluation)
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

    RunFolder(folder).switch_to(run, wait=True)
    pretrain(run, data, folder, wait=True).check(run)
    return evaluate(folder, data, settings)


def _say_record(record: Record, fresh: Sequence[Record], say: Callable[[str], None]) -> None:
    again = next((one for one in fresh if one.identity == record.identity), None)
    what = f"{record.metric} ({record.protocol}, {record.representation})"
    now = "not measured" if again is None else again.reason if again.value is None else repr(again.value)
    say(f"{record.id}: {what}: pinned {record.reason if record.value is None else repr(record.value)}, again {now}")


def _other_machine(record: Record, again: Record) -> list[str]:
    """Return a line if this is another kind of machine than the record's; its kernel does not count."""
    ours, theirs = ({**one.environment, "device": one.device} for one in (again, record))
    keys = [key for key in sorted(ours | theirs) if key != "platform" and ours.get(key) != theirs.get(key)]
    differ = [f"{key} {ours.get(key, 'absent')} instead of {theirs.get(key, 'absent')}" for key in keys]
    if not differ:
        return []
    return [
        f"another kind of machine: {', '.join(differ)}; values may be {DEVIATIONS:g} standard deviations of the pinned "
        f"seeds off, or {RELATIVE:.0%} where there is one seed"
    ]


def _check(found: Agreement, fresh: Sequence[Record], same: Sequence[Record], pin: Collection, exact: bool) -> None:
    """Check that no value is further off than the machine allows."""
    if not found.compared:
        raise CareBenchError("no value could be compared: all protocols have another version; expected the pin's code")
    if found.equal == found.compared:
        return
    now = {one.identity: one.value for one in fresh}
    off = [
        one
        for one in same
        if one.value is not None
        and (value := now.get(one.identity)) is not None
        and abs(value - one.value) > (0.0 if exact else _allowed(one, value, pin))
    ]
    if off:
        names = ", ".join(f"{one.metric} of {one.representation} ({one.id})" for one in off[:3])
        raise CareBenchError(f"{len(off)} of {found.compared} values are too far from those of {pin.key}: {names}")


def _allowed(record: Record, value: float, pin: Collection) -> float:
    """Return how far a value may be off on another kind of machine."""
    seeds = [
        one.value
        for one in pin.records
        if one.value is not None and one.identity._replace(seed=record.seed) == record.identity
    ]
    if len(seeds) < 2:
        return RELATIVE * max(abs(value), abs(record.value or 0.0))
    mean = math.fsum(seeds) / len(seeds)
    return DEVIATIONS * math.sqrt(math.fsum((one - mean) ** 2 for one in seeds) / (len(seeds) - 1))
