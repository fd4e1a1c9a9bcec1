"""The theory as a section of the report: one row per statement of the ledger."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from care_bench.artifacts import LedgerRow, read_ledger
from care_bench.artifacts.ledger import NOT_OBSERVED, VERDICTS, VIOLATED
from care_bench.report.document import DIRTY, digest_cell, evidence_table
from care_bench.report.model import Cell, Section, Statements, Table, texts
from care_bench.report.statistics import number
from care_bench.untrusted import absent

LEDGER = Path("theory") / "ledger.jsonl"
TITLE = "Theory checks"
CAPTION = (
    "What the theory checks found, one row per statement.",
    "Worst residual: by how much the worst example misses the statement, 0 being exact: the distance of two sides that "
    "should be equal, or what the left side of an inequality has above the right one.",
    "Tightest ratio: the largest left side / bound; 1 reaches the bound, a counterexample exceeds it.",
    "Counterexample: by how much the largest one contradicts the text as printed, or without the assumption.",
    "Stuck starts: minimisations that did not end at zero, of all; how they ended is in the evidence.",
    "Verdict: what holds, what holds only with the assumption named, and where the text as printed is contradicted.",
    "The case in the evidence is the smallest example or counterexample, or the failing one.",
)
NO_BOUND = "the statement sets no bound"
NO_EXAMPLES = "no example was measured"
ONLY_COUNTEREXAMPLES = "all examples are counterexamples"
NO_COUNTEREXAMPLE = "no counterexample was looked for"
NO_STARTS = "nothing is minimised"
_COLUMNS = (
    *texts(("statement", "verdict")),
    *texts(("examples", "worst residual", "tightest ratio", "counterexample", "stuck starts"), prose=False),
)
_EVIDENCE = ("statement", "left side / bound", "stuck starts", "case", "sha256", "code")


def theory_section(results: Path) -> Section | None:
    """Lay out `theory/ledger.jsonl` of a results folder, or return None where there is none.

    Raises:
        CareBenchError: a damaged ledger; one line naming file and line.
    """
    path = results / LEDGER
    if absent(path):
        return None
    rows = read_ledger(path)
    verdicts = Counter(row.outcome for row in rows)
    versions = sorted({row.code_version for row in rows})
    # What failed comes first: a narrow terminal cuts the end off.
    order = sorted(VERDICTS, key=lambda name: name not in (VIOLATED, NOT_OBSERVED))
    counts = "; ".join(f"{name}: {verdicts[name]}" for name in order if verdicts[name])
    examples = sum(row.examples for row in rows)
    statements = (
        f"Statements: {len(rows)}; examples: {examples}; code version {', '.join(versions)}.",
        f"Verdicts: {counts}.",
        *([DIRTY] if any(version.endswith(".dirty") for version in versions) else []),
    )
    table = Table(TITLE, CAPTION, _COLUMNS, tuple(row.name for row in rows), tuple(map(_cells, rows)))
    evidence = {row.id: _evidence(row) for row in sorted(rows, key=lambda row: row.id)}
    parts = (Statements(statements), table)
    brief = f"Theory, {len(rows)} statements: {counts}"
    return Section("theory", TITLE, parts, evidence_table(_EVIDENCE, evidence), brief=brief)


def _cells(row: LedgerRow) -> tuple[Cell, ...]:
    return (
        Cell(f"{row.source}: {row.statement}", source="theory"),
        Cell(row.verdict, source="theory", ids=(row.id,)),
        Cell(str(row.examples), source="theory", quoted=row.examples),
        _number(row.worst_residual, ONLY_COUNTEREXAMPLES if row.examples else NO_EXAMPLES),
        _number(row.tightest_ratio, NO_BOUND if row.examples else NO_EXAMPLES),
        _number(row.counterexample, NO_COUNTEREXAMPLE),
        _stuck(row),
    )


def _number(value: float | None, why_not: str) -> Cell:
    if value is None:
        return Cell(notes=(why_not,), source="theory")
    return Cell(number(value, "1") if value else "0", source="theory", quoted=value)


def _stuck(row: LedgerRow) -> Cell:
    if row.starts is None:
        return Cell(notes=(NO_STARTS,), source="theory")
    found = row.starts.stuck_count
    return Cell(f"{found} of {row.starts.count}", source="theory", quoted=found)


def _how_stuck(row: LedgerRow) -> str:
    """Say how the stuck starts ended, one phrase per kind and signature of the Hessian."""
    return "; ".join(
        f"{group.count} {group.kind}: loss {group.lowest_loss:.2g} to {group.highest_loss:.2g}, gradient at most "
        f"{group.gradient:.0e}, eigenvalues of the Hessian {group.negative} negative, {group.zero} zero, "
        f"{group.positive} positive"
        for group in (row.starts.stuck if row.starts else ())
    )


def _evidence(row: LedgerRow) -> list[Cell]:
    quartiles = ", ".join(f"{value:.3g}" for value in row.ratio_quartiles or ())
    return [
        Cell(row.name),
        Cell(f"quartiles {quartiles}" if quartiles else "none"),
        Cell(_how_stuck(row) or "none"),
        Cell(row.smallest_case or "none"),
        digest_cell(row.sha256),
        Cell(row.code_version),
    ]
