"""The ledger of the theory checks: one row per statement, with its examples and verdict; a file is JSON lines.

The last line has the number of rows and the hash of all lines before it, so that a row that is gone is noticed too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from care_bench.artifacts.json_lines import STRICT, Line, decode_lines, encode_lines
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, sha256_bytes, write_bytes
from care_bench.untrusted import read_bytes

Text = Annotated[str, Field(min_length=1)]
Size = Annotated[float, Field(ge=0)]

HOLDS = "holds"
ASSUMPTION = "holds with assumption"
COUNTEREXAMPLE = "counterexample to the text as printed"
VIOLATED = "violated"
NOT_OBSERVED = "not observed"
VERDICTS = (HOLDS, ASSUMPTION, COUNTEREXAMPLE, VIOLATED, NOT_OBSERVED)
"""How a verdict begins. The assumption or counterexample follows after a colon."""
CLOSING = b'{"rows":'
"""How the last line begins."""


class StuckStarts(BaseModel):
    """Minimisations that ended alike, and not at zero.

    Attributes:
        kind: "local minimum" (no negative eigenvalue of the Hessian), "saddle", "collapsed" or "not converged".
        count: how many.
        lowest_loss: the smallest loss where they ended.
        highest_loss: the largest loss where they ended.
        gradient: the largest entry of the gradient there.
        negative: number of negative eigenvalues of the Hessian there.
        zero: number of eigenvalues that are zero up to rounding.
        positive: number of positive eigenvalues.
    """

    model_config = STRICT

    kind: Text
    count: Annotated[int, Field(ge=1)]
    lowest_loss: Size
    highest_loss: Size
    gradient: Size
    negative: Annotated[int, Field(ge=0)]
    zero: Annotated[int, Field(ge=0)]
    positive: Annotated[int, Field(ge=0)]


class Starts(BaseModel):
    """How the minimisations of a loss ended.

    Attributes:
        count: how many were started; those that are not stuck ended at zero.
        stuck: the others, grouped by kind and signature of the Hessian.
    """

    model_config = STRICT

    count: Annotated[int, Field(ge=1)]
    stuck: tuple[StuckStarts, ...]

    @model_validator(mode="after")
    def _no_more_than_all(self) -> Self:
        if self.stuck_count > self.count:
            raise ValueError(f"found {self.stuck_count} stuck starts of {self.count}; expected no more than all")
        return self

    @property
    def stuck_count(self) -> int:
        """How many did not end at zero."""
        return sum(group.count for group in self.stuck)


class LedgerRow(Line):
    """What the theory checks found about one statement.

    In a file the name of the statement is the key ``id``.

    Attributes:
        name: the statement's own name, such as `prop-1`.
        statement: the statement in one sentence.
        source: where the paper states it.
        examples: number of examples tried.
        worst_residual: by how much the worst example misses the statement, 0 being exact: the distance of two sides
            that should be equal, or what the left side of an inequality has above the right one. None where all
            examples are counterexamples.
        tightest_ratio: the largest left side / bound, 1 where an example reaches the bound; of the counterexamples
            where there are no other examples; None where the statement sets no bound.
        ratio_quartiles: of all left side / bound; None for fewer than two.
        counterexample: by how much the largest counterexample contradicts the statement as printed, or without the
            assumption of the verdict; None where none was looked for.
        starts: how minimisations ended; None where none was started.
        smallest_case: the smallest example, or the one that decides; None where there is none.
        verdict: begins with one of ``VERDICTS``.
        seconds: time the statement's tests took.
        code_version: the code that was checked.
    """

    name: Annotated[str, Field(alias="id", pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    statement: Text
    source: Text
    examples: Annotated[int, Field(ge=0)]
    worst_residual: Size | None
    tightest_ratio: Size | None
    ratio_quartiles: tuple[Size, Size, Size] | None
    counterexample: Size | None
    starts: Starts | None
    smallest_case: Text | None
    verdict: Text
    seconds: Size
    code_version: Text

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.outcome not in VERDICTS or (self.outcome in (ASSUMPTION, COUNTEREXAMPLE)) != (":" in self.verdict):
            raise ValueError(
                f"found the verdict {self.verdict!r}; expected one of {', '.join(VERDICTS)}, the second and third "
                "followed by a colon and which one"
            )
        if (self.examples == 0) != (self.worst_residual is None and self.counterexample is None):
            raise ValueError(
                f"found {self.examples} examples with worst_residual {self.worst_residual} and counterexample "
                f"{self.counterexample}; expected one of them exactly where there are examples"
            )
        if self.outcome == COUNTEREXAMPLE and self.counterexample is None:
            raise ValueError(f"found the verdict {self.verdict!r} without a counterexample; expected its size")
        if self.examples == 0 and self.outcome not in (VIOLATED, NOT_OBSERVED):
            raise ValueError(f"found the verdict {self.verdict!r} without examples; expected {NOT_OBSERVED!r}")
        return self

    @property
    def outcome(self) -> str:
        """The verdict without what follows its colon: one of ``VERDICTS``."""
        return self.verdict.partition(":")[0]

    @property
    def id(self) -> str:
        """Short name of the row in citations: "t" and the first ten hex digits of its SHA-256."""
        return f"t{self.sha256[:10]}"


def write_ledger(path: Path, rows: Iterable[LedgerRow]) -> None:
    """Write a ledger as JSON lines, one canonical line per statement and a closing one, whole or not at all."""
    lines = encode_lines(rows)
    write_bytes(path, lines + _closing(lines))


def read_ledger(path: Path) -> list[LedgerRow]:
    """Read a ledger.

    Raises:
        CareBenchError: no such file; a ledger of an earlier version; a damaged or edited line, or a statement's second
            row, named as file:line; no rows; or rows that were removed, added or moved.
    """
    content = read_bytes(path, "expected a ledger of the theory checks")
    first_line = content.partition(b"\n")[0]
    if b'"worst_residual":' in first_line and b'"counterexample":' not in first_line:
        raise CareBenchError(f"{path}:1: the ledger comes from an earlier version; check the theory again")
    lines, _, last = content.removesuffix(b"\n").rpartition(b"\n")
    closed = last.startswith(CLOSING)
    body = content if not closed else lines + b"\n" if lines else b""
    rows = decode_lines(body, path, LedgerRow, "ledger row")
    if not rows:
        raise CareBenchError(f"{path}:1: found an empty ledger; expected a row per statement")
    first: dict[str, int] = {}
    for line, row in enumerate(rows, start=1):
        before = first.setdefault(row.name, line)
        if before != line:
            raise CareBenchError(f"{path}:{line}: found statement {row.name} again; expected it in line {before} only")
    if content != body + _closing(body):
        found = "does not fit the rows before it" if closed else "is missing"
        raise CareBenchError(
            f"{path}:{len(rows) + 1}: the closing line {found}: rows were removed, added or moved; "
            "check the theory again"
        )
    return rows


def _closing(lines: bytes) -> bytes:
    return canonical_json({"rows": lines.count(b"\n"), "sha256": sha256_bytes(lines)}) + b"\n"
