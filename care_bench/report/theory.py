"""The theory as a section of the report: one row per statement of the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from care_bench.artifacts import LedgerRow, read_ledger
from care_bench.artifacts.ledger import VERDICTS
from care_bench.report.document import DIRTY, Evidence, EvidenceHeader, Section
from care_bench.report.tables import Cell, Column, Table, number

LEDGER = Path("theory") / "ledger.jsonl"
TITLE = "Theory checks"
HEADER = EvidenceHeader(("statement", "residual / bound", "case"), ("sha256",), ("code",))
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
    Column("", "statement", prose=True),
    Column("", "source", prose=True),
    Column("", "examples"),
    Column("", "worst residual"),
    Column("", "tightest ratio"),
    Column("", "verdict", prose=True),
)


def theory_section(results: Path) -> Section | None:
    """Lay out `theory/ledger.jsonl` of a results folder, or return None where there is none.

    Raises:
        CareBenchError: a damaged ledger; one line naming file and line.
    """
    path = results / LEDGER
    if not path.exists():
        return None
    rows = read_ledger(path)
    table = Table(TITLE, CAPTION, _COLUMNS, tuple(row.name for row in rows), tuple(map(_cells, rows)))
    return Section(
        key="theory",
        title=TITLE,
        statements=tuple(_statements(rows)),
        tables=(table,),
        absent=(),
        evidence=tuple(sorted(map(_evidence, rows), key=lambda line: line.id)),
        header=HEADER,
    )


def _statements(rows: Sequence[LedgerRow]) -> list[str]:
    verdicts = Counter(row.outcome for row in rows)
    versions = sorted({row.code_version for row in rows})
    lines = [
        f"Statements: {len(rows)}; examples: {sum(row.examples for row in rows)}; code version {', '.join(versions)}.",
        f"Verdicts: {'; '.join(f'{name}: {verdicts[name]}' for name in VERDICTS if verdicts[name])}.",
    ]
    if any(version.endswith(".dirty") for version in versions):
        lines.append(DIRTY)
    return lines


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


def _evidence(row: LedgerRow) -> Evidence:
    quartiles = row.ratio_quartiles
    spread = "" if quartiles is None else f"quartiles {', '.join(f'{value:.3g}' for value in quartiles)}"
    return Evidence(
        id=row.id,
        texts=(row.name, spread or "none", row.smallest_case or "none"),
        hashes=(row.sha256,),
        origin=(row.code_version,),
    )
