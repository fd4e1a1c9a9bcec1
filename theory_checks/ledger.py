"""The ledger: all that tests observed, added up, and a verdict per statement."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from care_bench.artifacts import LedgerRow
from care_bench.artifacts.ledger import COUNTEREXAMPLE, NOT_OBSERVED, VIOLATED, Starts, StuckStarts
from theory_checks.observing import Examples, Statement, Stuck, smallest


@dataclass
class Entry:
    """What all tests that ran observed of one statement."""

    statement: Statement
    examples: Examples = field(default_factory=Examples)
    failing_case: str | None = None
    failed: bool = False
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """Number of examples, counterexamples among them."""
        return len(self.examples.residuals) + len(self.examples.counterexamples)

    @property
    def verdict(self) -> str:
        """The declared verdict if every test passed and examples of its kind were observed, for or against it."""
        if self.failed:
            return VIOLATED
        contradicts = self.statement.verdict.startswith(COUNTEREXAMPLE)
        observed = self.examples.counterexamples if contradicts else self.examples.residuals
        return self.statement.verdict if observed else NOT_OBSERVED

    @property
    def case(self) -> str | None:
        """The failing case; else the smallest one, for a counterexample the smallest counterexample."""
        found = self.examples
        contradicts = self.statement.verdict.startswith(COUNTEREXAMPLE)
        cases = found.counterexample_cases if contradicts or not found.cases else found.cases
        return self.failing_case or (smallest(cases) if cases else None)

    def row(self, code_version: str) -> LedgerRow:
        """Return the statement's line of the ledger."""
        found = self.examples
        ratios = found.ratios or found.excesses
        return LedgerRow(
            id=self.statement.id,
            statement=self.statement.text,
            source=self.statement.source,
            examples=self.count,
            worst_residual=max(found.residuals, default=None),
            tightest_ratio=max(ratios, default=None),
            ratio_quartiles=quartiles(ratios),
            counterexample=max(found.counterexamples, default=None),
            starts=starts(found.starts, found.stuck) if found.starts else None,
            smallest_case=self.case,
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
            entry.seconds += seconds
            entry.failed |= failed
            if entry.statement.id in page["examples"]:
                found = Examples.of(page["examples"][entry.statement.id])
                entry.examples.add(found)
                if failed and entry.failing_case is None:
                    entry.failing_case = next(iter(found.cases[-1:] + found.counterexample_cases[-1:]), None)

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


def starts(count: int, stuck: Sequence[Stuck]) -> Starts:
    """Return how minimisations ended, those that are stuck grouped by kind and signature."""
    groups: dict[tuple[str, tuple[int, int, int]], list[Stuck]] = {}
    for start in stuck:
        groups.setdefault((start.kind, tuple(start.signature)), []).append(start)
    return Starts(
        count=count,
        stuck=tuple(
            StuckStarts(
                kind=kind,
                count=len(found),
                lowest_loss=min(start.loss for start in found),
                highest_loss=max(start.loss for start in found),
                gradient=max(start.gradient for start in found),
                negative=signature[0],
                zero=signature[1],
                positive=signature[2],
            )
            for (kind, signature), found in sorted(groups.items())
        ),
    )
