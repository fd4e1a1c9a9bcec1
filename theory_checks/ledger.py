"""The ledger: what each test observed of a statement, and the verdict of all tests together.

A test calls :func:`observe` once per example, before its assertions. conftest.py opens a page for every test, attaches
it to the test's report (so that it works with pytest-xdist) and adds the pages up, one :class:`Entry` per statement.
"""

from __future__ import annotations

import dataclasses
import math
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from care_bench.artifacts import LedgerRow
from care_bench.artifacts.ledger import ASSUMPTION, COUNTEREXAMPLE, HOLDS, NOT_OBSERVED, VIOLATED


@dataclass(frozen=True)
class Statement:
    """One statement of the theory.

    Attributes:
        id: unique, kebab case.
        text: the statement in one sentence.
        source: where it stands, such as "Prop. 1".
        verdict: what passing tests show: "holds", "holds with assumption: ..." or
            "counterexample to the text as printed: ...".

    Raises:
        ValueError: the verdict is none of the three.
    """

    id: str
    text: str
    source: str
    verdict: str

    def __post_init__(self) -> None:
        outcome, _, which = self.verdict.partition(": ")
        if outcome not in ((ASSUMPTION, COUNTEREXAMPLE) if which else (HOLDS,)):
            raise ValueError(
                f"{self.id}: the verdict is {self.verdict!r}; expected {HOLDS!r}, '{ASSUMPTION}: ...' or "
                f"'{COUNTEREXAMPLE}: ...'"
            )


@dataclass
class Page:
    """What one test observed: for each of its statements the residuals, ratios and cases of its examples."""

    statements: tuple[Statement, ...]
    residuals: dict[str, list[float]] = field(default_factory=dict)
    ratios: dict[str, list[float]] = field(default_factory=dict)
    cases: dict[str, list[str]] = field(default_factory=dict)

    def note(self, statement: str, residual: float, bound: float | None, case: str | None) -> None:
        """Note one example; see :func:`observe`."""
        known = [known.id for known in self.statements]
        if statement not in known:
            raise ValueError(
                f"this test observes {statement!r}; its statement marks say {', '.join(known) or 'nothing'}"
            )
        if not (residual >= 0 and math.isfinite(residual)):
            raise ValueError(f"{statement}: the residual is {residual}; expected a finite number >= 0")
        if bound is not None and not (bound >= 0 and math.isfinite(bound)):
            raise ValueError(f"{statement}: the bound is {bound}; expected a finite number >= 0")
        self.residuals.setdefault(statement, []).append(float(residual))
        if bound:  # there is no ratio to a bound of zero
            self.ratios.setdefault(statement, []).append(float(residual / bound))
        if case is not None:
            self.cases.setdefault(statement, []).append(case)

    def plain(self) -> dict[str, Any]:
        """Return the page as plain dictionaries, lists, strings and numbers, to be sent between processes.

        Only the smallest and the last case are sent: hypothesis runs the smallest failing example last.
        """
        cases = {key: [smallest(cases), cases[-1]] for key, cases in self.cases.items()}
        return dataclasses.asdict(dataclasses.replace(self, cases=cases)) | {
            "statements": [dataclasses.asdict(statement) for statement in self.statements]
        }


_open_page: Page | None = None


def open_page(page: Page | None) -> None:
    """Make ``page`` the one that :func:`observe` writes to; None closes it."""
    global _open_page
    _open_page = page


def observe(statement: str, *, residual: float, bound: float | None = None, case: str | None = None) -> None:
    """Note one example of a statement; call it before asserting, so that a failing example is in the ledger.

    Args:
        statement: id of a statement that the running test is marked with.
        residual: how far from exact this example is; 0 is exact.
        bound: what the statement allows; the ledger keeps residual / bound.
        case: the example in short, sizes first ("n=2 d=1 seed=0"). The smallest is the one whose numbers, read
            from left to right, come first.

    Raises:
        ValueError: the statement is not the test's, or a number is negative or not finite.
        RuntimeError: no test is running.
    """
    if _open_page is None:
        raise RuntimeError(f"{statement} is observed outside a test; expected a call from within a running test")
    _open_page.note(statement, float(residual), None if bound is None else float(bound), case)


def sizes(a: Tensor) -> str:
    """Return how the case of (n, d) embeddings begins: "n=2 d=1"."""
    return f"n={len(a)} d={a.shape[1]}"


def smallest(cases: Iterable[str]) -> str:
    """Return the case whose numbers, compared from left to right, are smallest; the first of equal ones."""
    return min(cases, key=lambda case: [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", case)])


@dataclass
class Entry:
    """What all tests that ran observed of one statement."""

    statement: Statement
    residuals: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    failing_case: str | None = None
    failed: bool = False
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """The declared verdict if every test passed and at least one example was observed."""
        if self.failed:
            return VIOLATED
        return self.statement.verdict if self.residuals else NOT_OBSERVED

    def row(self, code_version: str) -> LedgerRow:
        """Return the statement's line of the ledger."""
        return LedgerRow(
            id=self.statement.id,
            statement=self.statement.text,
            source=self.statement.source,
            examples=len(self.residuals),
            worst_residual=max(self.residuals, default=None),
            tightest_ratio=max(self.ratios, default=None),
            ratio_quartiles=quartiles(self.ratios),
            smallest_case=self.failing_case or (smallest(self.cases) if self.cases else None),
            verdict=self.verdict,
            seconds=round(self.seconds, 3),
            code_version=code_version,
        )


class Ledger:
    """Entries of all statements."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def add(self, page: dict[str, Any], *, seconds: float, failed: bool, marked: Sequence[str]) -> None:
        """Add what one phase of a test observed.

        Args:
            page: as :meth:`Page.plain` returns it.
            seconds: duration of the phase, counted in full for every statement of the test.
            failed: whether the phase failed; each of its statements is then violated.
            marked: ids of the statements that the test is marked with.
        """
        for plain in page["statements"]:
            entry = self.entries.setdefault(plain["id"], Entry(Statement(**plain)))
            if entry.statement.id not in marked:
                continue
            cases = page["cases"].get(entry.statement.id, [])
            entry.residuals += page["residuals"].get(entry.statement.id, [])
            entry.ratios += page["ratios"].get(entry.statement.id, [])
            entry.cases += cases
            entry.seconds += seconds
            if failed:
                entry.failed = True
                entry.failing_case = entry.failing_case or (cases[-1] if cases else None)

    @property
    def not_observed(self) -> list[str]:
        """Ids of the statements without an observed example, none of whose tests failed."""
        return [key for key, entry in sorted(self.entries.items()) if entry.verdict == NOT_OBSERVED]

    def rows(self, code_version: str) -> list[LedgerRow]:
        """Return the ledger's lines, ordered by id, so that the order of the tests does not matter."""
        return [self.entries[key].row(code_version) for key in sorted(self.entries)]


def quartiles(ratios: Sequence[float]) -> tuple[float, float, float] | None:
    """Return the three quartiles of residual / bound, or None where there are fewer than two."""
    if len(ratios) < 2:
        return None
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return low, median, high
