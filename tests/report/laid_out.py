"""Access to the parts of a section built from a few records."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.report.document import build_section
from care_bench.report.model import Section, Statements, Table
from care_bench.report.paper import PaperValue

NO_PAPER = "no paper"
ABSENT = "Not in this report"
ONE_SEED = "n=1: one seed proves nothing: no ranking follows from this table."


def small(records: Iterable[Record]) -> Collection:
    return Collection("small", tuple(records))


def section(records: Iterable[Record], paper: list[PaperValue] | str = NO_PAPER) -> Section:
    return build_section(small(records), paper)


def tables(records: Iterable[Record], paper: list[PaperValue] | str = NO_PAPER) -> dict[str, Table]:
    return {part.title: part for part in section(records, paper).parts if isinstance(part, Table)}


def snapshots(records: Iterable[Record]) -> dict[int | None, list[Table]]:
    found: dict[int | None, list[Table]] = {}
    for table in section(records).data:
        found.setdefault(table.epoch, []).append(table)
    return found


def statements(found: Section) -> list[str]:
    """Return the sentences before any number."""
    return [line for part in found.parts if isinstance(part, Statements) and not part.title for line in part.items]


def absent(records: Iterable[Record], paper: list[PaperValue] | str = NO_PAPER) -> list[str]:
    """Return the lines about tables that cannot be shown."""
    parts = section(records, paper).parts
    (lines,) = [part.items for part in parts if isinstance(part, Statements) and part.title == ABSENT] or [()]
    return list(lines)


def columns(table: Table) -> list[tuple[str, str]]:
    return [(column.group, column.name) for column in table.columns]


def texts(table: Table) -> dict[str, list[str]]:
    return {label: [cell.text for cell in row] for label, row in table.lines}


def notes(table: Table) -> dict[str, list[tuple[str, ...]]]:
    return {label: [cell.notes for cell in row] for label, row in table.lines}


def with_tables(folder: Path) -> str:
    """Return the text of `report.tex` in a folder with its tables in it."""
    text = (folder / "report.tex").read_text(encoding="utf-8")
    return re.sub(
        r"\\input\{(tables/[^}]*)\}", lambda found: (folder / f"{found[1]}.tex").read_text(encoding="utf-8"), text
    )
