"""One metric of one run = one flat record; a file of records is JSON lines."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from care_bench.artifacts.json_lines import Line, decode_lines, encode_lines, parse
from care_bench.files import sha256_bytes, write_bytes
from care_bench.names import Fidelity, Representation, Unit
from care_bench.untrusted import read_bytes

# A collection repeats a few long strings, such as configurations: memory holds one copy of each.
Shared = Annotated[str, AfterValidator(sys.intern)]
Name = Annotated[Shared, Field(min_length=1)]
EXPECTED = "expected a file of records, as care-bench evaluate writes it"
ROUNDING = 16
"""Units in the last place of the largest repeat by which a mean or deviation may differ from the one recomputed."""
TRAINED = "trained_"
"""Begins the keys of a record's environment for what was another in the training: `trained_device`."""
Sha256 = Annotated[Shared, Field(pattern=r"^[0-9a-f]{64}$")]


class Identity(NamedTuple):
    """What a record measures; two records of one collection never share it.

    ``epoch`` is "" after the last step and "epoch 000010" for a snapshot, so that the final record sorts first and the
    snapshots follow in the order of training.
    """

    profile: str
    dataset: str
    backbone: str
    method: str
    base: str
    fidelity: str
    variant: str
    seed: int
    epoch: str
    protocol: str
    representation: str
    metric: str


class Record(Line):
    """One measured number, or the reason why there is none, with everything needed to trace it.

    Instead of a value that is NaN or infinite there is a ``reason``.

    Attributes:
        epoch: epochs of training before a snapshot; None after the last step.
        value: the number, None where there is a ``reason``.
        n: number of repeats whose mean is ``value``: augmentations, or seeds of a classifier.
        samples: most samples of each split that were measured; None for all that the protocol takes.
        spread: standard deviation of the repeats (ddof 1).
        values: the repeats in their order; None for a single number.
        evaluation: what decides the measurement apart from the run's configuration, its augmentation above all, as
            canonical JSON. Numbers in one column have the same.
        code_version: of what measured it, and so are ``environment`` and ``device``. Where the training had other ones,
            they are in the environment under keys that begin with :data:`TRAINED`.
        config: the run's full configuration as canonical JSON, whose SHA-256 is ``config_sha256``.
    """

    profile: Name
    dataset: Name
    method: Name
    base: Name | None = None
    fidelity: Fidelity | None = None
    variant: Name
    backbone: Name
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    epoch: Annotated[int, Field(ge=0, lt=10**6)] | None = None
    protocol: Name
    protocol_version: Annotated[int, Field(ge=1)]
    representation: Representation
    metric: Name
    value: float | None = None
    reason: Name | None = None
    unit: Unit
    n: Annotated[int, Field(ge=0, lt=2**63)]
    samples: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    spread: Annotated[float, Field(ge=0)] | None = None
    # A list in files, so not strict; the numbers in it are.
    values: Annotated[tuple[float, ...], Field(strict=False)] | None = None
    higher_is_better: bool | None = None
    evaluation: Name
    config: Name
    config_sha256: Sha256
    data_sha256: Sha256
    weights_sha256: Sha256 | Literal[""]
    code_version: Name
    environment: dict[Shared, Shared]
    device: Name
    duration_s: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _value_or_reason(self) -> Self:
        if (self.value is None) == (self.reason is None):
            found = "neither" if self.value is None else "both"
            raise ValueError(f"found {found} of value and reason; expected exactly one of the two")
        if self.value is None and self.spread is not None:
            raise ValueError("found a spread without a value; expected null")
        if self.value is not None and self.n < 1:
            raise ValueError(f"found n = {self.n} with a value; expected at least 1 repeat")
        if self.spread is not None and self.n < 2:
            raise ValueError(f"found a spread with n = {self.n}; expected at least 2 repeats, or null")
        if self.values is not None and (self.value is None or len(self.values) != self.n):
            raise ValueError(f"found {len(self.values)} values with n = {self.n} and value = {self.value}; expected n")
        self._check_repeats()
        for key, text in (("config", self.config), ("evaluation", self.evaluation)):
            if not _is_json_object(text):
                raise ValueError(f"found {key} {text[:60]!r}; expected a JSON object")
        if sha256_bytes(self.config.encode()) != self.config_sha256:
            raise ValueError("found a config whose SHA-256 is not config_sha256; expected the run's own")
        if self.value is not None and not self.weights_sha256:
            raise ValueError("found a value without weights_sha256; only a missing value may lack weights")
        return self

    def _check_repeats(self) -> None:
        """Compare value and spread with mean and standard deviation of the repeats, however these were summed."""
        if self.values is None or self.value is None:
            return
        try:
            mean, spread = _mean_and_spread(self.values)
            rounding = ROUNDING * math.ulp(max(map(abs, self.values)))
        except OverflowError:
            raise ValueError("found values that are too large to have a mean") from None
        if abs(self.value - mean) > rounding:
            raise ValueError(f"found value {self.value}, but the mean of its {self.n} values is {mean}")
        if self.spread is not None and abs(self.spread - spread) > rounding:
            raise ValueError(f"found spread {self.spread}, but the deviation of its {self.n} values is {spread}")

    @property
    def trained_by(self) -> str:
        """The code version that trained what was measured."""
        return self.environment.get(f"{TRAINED}code_version", self.code_version)

    @property
    def trained_on(self) -> str:
        """The device that it was trained on."""
        return self.environment.get(f"{TRAINED}device", self.device)

    @cached_property
    def id(self) -> str:
        """Short name of the record: "r" and the first ten hex digits of its SHA-256."""
        return f"r{self.sha256[:10]}"

    @property
    def identity(self) -> Identity:
        """What is measured, without the result; also the sorting key of a collection."""
        return Identity(
            self.profile,
            self.dataset,
            self.backbone,
            self.method,
            self.base or "",
            self.fidelity or "",
            self.variant,
            self.seed,
            "" if self.epoch is None else f"epoch {self.epoch:06d}",
            self.protocol,
            self.representation,
            self.metric,
        )

    @classmethod
    def parse(cls, content: dict[str, Any] | str, where: str) -> Self:
        """Validate one record that was read from a file, where every key has to be present.

        Args:
            content: the record as a dict of plain Python values, or as a line of JSON.
            where: file and line or row, named in the error.

        Raises:
            CareBenchError: not a whole, valid record; one line naming the first wrong key.
        """
        return parse(cls, content, where, "record")


def code_versions(records: Iterable[Record]) -> list[str]:
    """Return the versions of the code that trained or measured records, each once, in their order as texts."""
    return sorted({version for one in records for version in (one.trained_by, one.code_version)})


def write_records(path: Path, records: Iterable[Record]) -> str:
    """Write records as JSON lines, one canonical line each, whole or not at all; return the SHA-256 of the file."""
    content = encode_lines(records)
    write_bytes(path, content)
    return sha256_bytes(content)


def read_records(path: Path) -> list[Record]:
    """Read a file written by :func:`write_records`.

    Raises:
        CareBenchError: no such file, or a damaged or edited line, named as file:line.
    """
    return decode_records(read_bytes(path, EXPECTED), path)


def decode_records(content: bytes, path: Path) -> list[Record]:
    """Read the content of a file of records; ``path`` is named in errors, as by :func:`read_records`."""
    return decode_lines(content, path, Record, "record")


def _mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation (ddof 1) of numbers; the latter of one number is 0."""
    mean = math.fsum(values) / len(values)
    return mean, math.hypot(*(value - mean for value in values)) / math.sqrt(max(len(values) - 1, 1))


@lru_cache(maxsize=4096)
def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
