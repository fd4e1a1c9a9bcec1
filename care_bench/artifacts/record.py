"""One metric of one run = one flat record; a file of records is JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from care_bench.artifacts.json_lines import parse, read_lines, write_lines
from care_bench.files import canonical_json, sha256_bytes
from care_bench.names import Fidelity, Representation, Unit

# A collection repeats a few long strings, such as configurations: memory holds one copy of each.
Shared = Annotated[str, AfterValidator(sys.intern)]
Name = Annotated[Shared, Field(min_length=1)]
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


class Record(BaseModel):
    """One measured number, or the reason why there is none, with everything needed to trace it.

    Types are strict: nothing is coerced, NaN and infinity are refused (give ``reason`` instead of a value).

    Attributes:
        epoch: epochs of training before a snapshot; None after the last step.
        value: the number, None where there is a ``reason``.
        n: number of repeats whose mean is ``value``: augmentations, or seeds of a classifier.
        samples: most samples of each split that were measured; None for all that the protocol takes.
        spread: standard deviation of the repeats (ddof 1).
        values: the repeats in their order; None for a single number.
        evaluation: what decides the measurement apart from the run's configuration, its augmentation above all, as
            canonical JSON. Numbers in one column have the same.
        config: the run's full configuration as canonical JSON, whose SHA-256 is ``config_sha256``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

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
        if sha256_bytes(self.config.encode()) != self.config_sha256:
            raise ValueError("found a config whose SHA-256 is not config_sha256; expected the run's own")
        if self.value is not None and not self.weights_sha256:
            raise ValueError("found a value without weights_sha256; only a missing value may lack weights")
        return self

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the record's canonical JSON."""
        return sha256_bytes(canonical_json(self.model_dump()))

    @property
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


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON lines, one canonical line each, whole or not at all."""
    write_lines(path, records)


def read_records(path: Path) -> list[Record]:
    """Read a file written by :func:`write_records`.

    Raises:
        CareBenchError: no such file, or a damaged line, named as file:line.
    """
    return read_lines(path, Record, "record")
