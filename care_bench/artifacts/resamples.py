"""The metrics that rules for claims compare, on random halves of the test samples: one line for each run.

They are beside the records, and say how far a number depends on which samples are in the test split.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from care_bench.artifacts.json_lines import STRICT, Line, decode_lines
from care_bench.artifacts.record import Record, Sha256
from care_bench.errors import CareBenchError
from care_bench.names import Representation
from care_bench.untrusted import read_bytes

NAME = "resamples.jsonl"
"""The file, in a collection and in the folder of a job."""
DIGITS = 6
"""Significant digits of a number."""
EXPECTED = "expected metrics on halves of the test samples, as care-bench resample-runs writes them"

Count = Annotated[int, Field(ge=0)]
_MEASURED = attrgetter("dataset", "variant", "seed", "epoch", "protocol", "representation", "metric")


class Resampled(BaseModel):
    """One metric of a run on every half.

    Attributes:
        weights_sha256: of the encoder, the last one or that of a snapshot.
        values: one for each half.
        draws: for each half the value of every sampled augmentation, where the rules count these; otherwise empty.
    """

    model_config = STRICT

    epoch: Count | None
    weights_sha256: Sha256
    protocol: str
    protocol_version: int
    representation: Representation
    metric: str
    values: Annotated[tuple[float, ...], Field(min_length=2)]
    draws: tuple[tuple[float, ...], ...] = ()

    @property
    def place(self) -> tuple[object, ...]:
        """What is measured of the run."""
        return self.epoch, self.protocol, self.representation, self.metric


class Resamples(Line):
    """The halves of one run.

    Attributes:
        evaluation: the settings of the measurement, as its records have them.
        code_version: of the code that measured.
        units: samples that are drawn from, or groups of samples that belong together.
        kept: units of a half.
        found: metrics, in the order of the rules; those that are undefined on a half are left out.
    """

    profile: str
    dataset: str
    variant: str
    seed: Count
    config_sha256: Sha256
    data_sha256: Sha256
    evaluation: str
    code_version: str
    units: Annotated[int, Field(ge=2)]
    kept: Annotated[int, Field(ge=1)]
    found: tuple[Resampled, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kept >= self.units:
            raise ValueError(f"found {self.kept} of {self.units} samples in a half; expected fewer")
        if len(numbers := {len(one.values) for one in self.found}) > 1:
            raise ValueError(f"found {' and '.join(map(str, sorted(numbers)))} halves; expected one number of them")
        for one in self.found:
            if one.draws and (len(one.draws) != len(one.values) or len(set(map(len, one.draws))) > 1):
                raise ValueError(f"found draws of {one.metric} of different numbers; expected as many for each half")
        return self


def read_resamples(path: Path, records: Iterable[Record]) -> tuple[Resamples, ...]:
    """Read a file of resamples, and check that they are of some records.

    Raises:
        CareBenchError: no such file, or a damaged or edited line, named as file:line; a metric that has no record; or
            other data, settings, protocols, configurations or weights than its record has.
    """
    lines = decode_resamples(path)
    check_resamples(path, lines, measured_for(resampled(lines), records))
    return lines


def decode_resamples(path: Path) -> tuple[Resamples, ...]:
    """Read a file of resamples.

    Raises:
        CareBenchError: no such file, a damaged or edited line, named as file:line; or a run twice.
    """
    lines = decode_lines(read_bytes(path, EXPECTED), path, Resamples, "line of resamples")
    runs = {(line.dataset, line.variant, line.seed) for line in lines}
    if len(runs) < len(lines):
        raise CareBenchError(f"{path} has a run twice; {EXPECTED}")
    return tuple(lines)


def resampled(lines: Iterable[Resamples]) -> set[Hashable]:
    """Return what was measured on halves: runs with a metric each."""
    return {(line.dataset, line.variant, line.seed, *one.place) for line in lines for one in line.found}


def measured_for(places: Set[Hashable], records: Iterable[Record]) -> dict[Hashable, Record]:
    """Return the records of what was measured on halves."""
    return {place: record for record in records if (place := _MEASURED(record)) in places}


def check_resamples(path: Path, lines: Sequence[Resamples], measured: Mapping[Hashable, Record]) -> None:
    """Check that the lines of a file are of records, as :func:`read_resamples` does.

    Raises:
        CareBenchError: a metric that has no record; or other data, settings, protocols, configurations or weights than
            its record has; or runs of a data set with different numbers of halves.
    """
    for number, line in enumerate(lines, start=1):
        name = f"{line.dataset}/{line.variant}/seed{line.seed}"
        for one in line.found:
            where = f"{path}:{number}: {one.metric} of {name}"
            found = measured.get((line.dataset, line.variant, line.seed, *one.place))
            if found is None or found.profile != line.profile:
                raise CareBenchError(f"{where} of profile {line.profile} has no record; {EXPECTED}")
            for key in ("data_sha256", "config_sha256", "evaluation"):
                _check_same(where, key, getattr(line, key), getattr(found, key))
            for key in ("weights_sha256", "protocol_version"):
                _check_same(where, key, getattr(one, key), getattr(found, key))
    _check_halves(path, lines)


def _check_same(where: str, key: str, found: object, expected: object) -> None:
    if found != expected:
        raise CareBenchError(
            f"{where} is resampled with {key} {str(found)[:12]}, its record has {str(expected)[:12]}; resample it again"
        )


def _check_halves(path: Path, lines: Sequence[Resamples]) -> None:
    """Check that all runs of a data set are measured on as many halves, so that their differences are paired."""
    first: dict[str, tuple[int, ...]] = {}
    for number, line in enumerate(lines, start=1):
        for one in line.found:
            halves = (len(one.values), line.kept, line.units)
            known = first.setdefault(line.dataset, halves)
            if known != halves:
                ours, others = ("{} halves of {} of {} test samples".format(*one) for one in (halves, known))
                raise CareBenchError(
                    f"{path}:{number}: {ours}; an earlier run of {line.dataset} has {others}; resample it again"
                )
