"""The theory as a section of the report: one row per statement of the ledger."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from care_bench.artifacts import LedgerRow, read_ledger
from care_bench.artifacts.ledger import VERDICTS
from care_bench.report.document import DIRTY, digest_cell, evidence_table
from care_bench.report.model import Cell, Section, Statements, Table, texts
from care_bench.report.statistics import number
from care_bench.untrusted import absent

LEDGER = Path("theory") / "ledger.jsonl"
TITLE = "Theory checks"
CAPTION = (
    "What the theory checks found, one row per statement.",
    "Worst residual: the largest distance from exact over all examples, 0 being exact.",
    "Tightest ratio: the largest residual / bound; 1 means that an example reaches the bound.",
    "Verdict: what holds, what holds only with the assumption named, and where the text as printed is contradicted.",
    "The case in the evidence is the smallest example, or the failing one.",
)
NO_BOUND = "the statement sets no bound"
NO_EXAMPLES = "no example was measured"
_COLUMNS = (
    *texts(("statement", "source")),
    *texts(("examples", "worst residual", "tightest ratio"), prose=False),
    *texts(("verdict",)),
)
_EVIDENCE = ("statement", "residual / bound", "case", "sha256", "code")


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
    counts = "; ".join(f"{name}: {verdicts[name]}" for name in VERDICTS if verdicts[name])
    examples = sum(row.examples for row in rows)
    statements = (
        f"Statements: {len(rows)}; examples: {examples}; code version {', '.join(versions)}.",
        f"Verdicts: {counts}.",
        *([DIRTY] if any(version.endswith(".dirty") for version in versions) else []),
    )
    table = Table(TITLE, CAPTION, _COLUMNS, tuple(row.name for row in rows), tuple(map(_cells, rows)))
    evidence = {row.id: _evidence(row) for row in sorted(rows, key=lambda row: row.id)}
    return Section("theory", TITLE, (Statements(statements), table), evidence_table(_EVIDENCE, evidence))


def _cells(row: LedgerRow) -> tuple[Cell, ...]:
    return (
        Cell(row.statement, source="theory"),
        Cell(row.source, source="theory"),
        Cell(str(row.examples), source="theory", quoted=row.examples),
        _number(row.worst_residual, NO_EXAMPLES),
        _number(row.tightest_ratio, NO_BOUND if row.examples else NO_EXAMPLES),
        Cell(row.verdict, source="theory", ids=(row.id,)),
    )


def _number(value: float | None, why_not: str) -> Cell:
    if value is None:
        return Cell(notes=(why_not,), source="theory")
    return Cell(number(value, "1"), source="theory", quoted=value)


def _evidence(row: LedgerRow) -> list[Cell]:
    quartiles = ", ".join(f"{value:.3g}" for value in row.ratio_quartiles or ())
    return [
        Cell(row.name),
        Cell(f"quartiles {quartiles}" if quartiles else "none"),
        Cell(row.smallest_case or "none"),
        digest_cell(row.sha256),
        Cell(row.code_version),
    ]
