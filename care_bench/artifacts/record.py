"""One metric of one run = one flat record; a file of records is JSON lines."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from care_bench.artifacts.json_lines import parse, read_lines, write_lines
from care_bench.files import canonical_json, sha256_bytes

Name = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
LATER = ("epoch", "samples", "values", "evaluation")
"""Keys that came after the first records: None where a file lacks them, and no key of the JSON where they are None."""


class Identity(NamedTuple):
    """What a record measures; two records of one collection never share it.

    ``epoch`` is "" after the last step and "epoch 000010" for a snapshot, so that the final record stands first and the
    snapshots in the order of training.
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

    ``config`` is the run's full configuration as canonical JSON, whose SHA-256 is ``config_sha256``. ``epoch`` counts
    the epochs that a snapshot had been trained for; it is None after the last step. ``samples`` is the most that were
    taken of each split, where the evaluation was told to take a few; None where it takes what its protocol does.
    ``values`` are the repeats whose mean is ``value``, in their order: augmentations, or seeds of a classifier; None
    where there is one number alone. ``evaluation`` is what decides the measurement beside the run's configuration, its
    augmentation above all, as canonical JSON: numbers can stand in one column where it is the same. These four are no
    keys of the JSON where they are None: records from before there were such keys keep their hashes.

    Types are strict: nothing is coerced, NaN and infinity are refused (give ``reason`` instead of a value).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    profile: Name
    dataset: Name
    method: Name
    base: Name | None = None
    fidelity: Literal["paper", "released-code"] | None = None
    variant: Name
    backbone: Name
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    epoch: Annotated[int, Field(ge=0, lt=10**6)] | None = None
    protocol: Name
    protocol_version: Annotated[int, Field(ge=1)]
    representation: Literal["projection", "features"]
    metric: Name
    value: float | None = None
    reason: Name | None = None
    unit: Literal["%", "1", "degree"]
    n: Annotated[int, Field(ge=0, lt=2**63)]
    samples: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    spread: Annotated[float, Field(ge=0)] | None = None
    # A list in files, so not strict; the numbers in it are.
    values: Annotated[tuple[float, ...], Field(strict=False)] | None = None
    higher_is_better: bool | None = None
    evaluation: Name | None = None
    config: str = ""
    config_sha256: Sha256
    data_sha256: Sha256
    weights_sha256: Sha256 | Literal[""]
    code_version: Name
    environment: dict[str, str]
    device: Name
    duration_s: Annotated[float, Field(ge=0)]

    @model_validator(mode="before")
    @classmethod
    def _with_later_keys(cls, content: Any) -> Any:
        return {**dict.fromkeys(LATER), **content} if isinstance(content, dict) else content

    @model_serializer(mode="wrap")
    def _without_later_keys(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = serialize(self)
        return {key: value for key, value in content.items() if key not in LATER or value is not None}

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
        if self.config and sha256_bytes(self.config.encode()) != self.config_sha256:
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
        """What is measured, apart from how it came out; also the sorting key of a collection."""
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
        """Validate one record that was read from a file, where every key but those of ``LATER`` has to be present.

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
