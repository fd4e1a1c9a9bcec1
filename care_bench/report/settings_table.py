"""The paper's settings beside a profile's, and why they differ: printed, and written as Markdown, HTML and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from care_bench.config import Profile
from care_bench.report.model import Cell, Document, Paragraph, Section, Statements, Table, texts
from care_bench.report.paper_settings import read_facts
from care_bench.report.settings_comparison import DatasetComparison, Kind, Line, compare
from care_bench.report.terminal import print_document, publish, standard_output
from care_bench.report.writers import csv_text, write_html, write_markdown

UNKNOWN = "–"
FEW = 4
"""Most rows that are named one by one."""
READING = (
    "Paper: the value it prints. Released code: CARE's, or that of the method which the source names. "
    f"{UNKNOWN}: it prints none, or it is not known.",
    "A row of fidelity released-code is compared with the released code. Every other row is compared with the paper "
    "and, where the paper prints nothing, with the released code. Not printed: neither is known.",
    "Settings in brackets are fixed by the package. Rows: those without a setting are not counted. A setting without a "
    "known source is shown where the profile gives a reason for it.",
)
_CSV_HEADER = ("profile", "dataset", "key", "paper", "released_code", "ours", "verdict", "why", "rows", "source")


def write_settings(profile: Profile, results: Path, out: Path, console: Console | None = None) -> list[Path]:
    """Compare a profile with `reference/paper_settings.csv`, print the tables, and write them.

    Args:
        profile: to be compared with the paper.
        results: the results folder, which has the reference.
        out: folder to make or replace.
        console: where to print; by default standard output.

    Returns:
        The files written: `settings.md`, `settings.html` and `settings.csv`.

    Raises:
        CareBenchError: no reference or a damaged one, a profile that does not resolve, or a folder that cannot be
            written or holds anything else. Nothing is printed then.
    """
    found = compare(profile, read_facts(results))
    cut = () if profile.steps is None else (f"Every run is cut to {profile.steps} steps, to check the profile.",)
    title = f"Settings of profile {profile.name} beside the paper's"
    document = Document(title, tuple(map(_section, found)), (Statements((*cut, *READING)),))
    files = {
        "settings.md": write_markdown(document),
        "settings.html": write_html(document),
        "settings.csv": csv_text(_CSV_HEADER, _csv_rows(profile, found)),
    }
    paths = publish(out, "settings", files)
    shown = standard_output() if console is None else console
    print_document(document, shown)
    for path in paths:
        shown.print(Text(f"wrote {path}"), soft_wrap=True)
    return paths


def _section(dataset: DatasetComparison) -> Section:
    tables = (_table(dataset, kind, lines) for kind, lines in dataset.groups.items())
    return Section(dataset.name, dataset.name, (Paragraph(_summary(dataset)), *tables))


def _summary(dataset: DatasetComparison) -> str:
    """Count the lines of each verdict."""
    if not dataset.in_paper:
        reasons = f"; settings with a reason: {len(dataset.lines)}" if dataset.lines else ""
        return f"Not a data set of the paper{reasons}."
    return "; ".join(f"{kind}: {len(lines)}" for kind, lines in dataset.groups.items()) + "."


def _table(dataset: DatasetComparison, kind: Kind, lines: Sequence[Line]) -> Table:
    """Build the table of one verdict; those that need a reason have a column for it."""
    why = ("why",) if kind in ("differs", "not printed") else ()
    return Table(
        title=kind,
        caption=(),
        columns=texts(("paper", "released code", "ours", *why, "rows", "source")),
        rows=tuple(f"`{line.fact.key}`" for line in lines),
        cells=tuple(tuple(map(Cell, _texts(dataset, line))) for line in lines),
        corner="setting",
    )


def _texts(dataset: DatasetComparison, line: Line) -> Iterator[str]:
    yield from (_value(value) for value in (line.fact.paper, line.fact.released_code, line.ours))
    if line.verdict.why:
        yield line.verdict.why
    yield _rows(dataset, line)
    yield line.fact.note or UNKNOWN


def _value(value: str | None) -> str:
    """Write canonical JSON for reading: texts without quotation marks."""
    if value is None:
        return UNKNOWN
    content = json.loads(value)
    return content if isinstance(content, str) else value


def _rows(dataset: DatasetComparison, line: Line) -> str:
    """Name the rows of a line, or those missing from it, whichever is shorter."""
    others = [name for name in line.of if name not in line.rows]
    if line.rows == dataset.rows:
        return "all"
    if len(line.rows) <= max(FEW, len(others)):
        return ", ".join(line.rows)
    return f"all but {', '.join(others)}" if others else "all that have it"


def _csv_rows(profile: Profile, found: Sequence[DatasetComparison]) -> Iterator[tuple[object, ...]]:
    """One row per line; values are JSON, ``rows`` are separated by spaces."""
    for dataset in found:
        for line in dataset.lines:
            values = (line.fact.key, line.fact.paper, line.fact.released_code, line.ours)
            yield (profile.name, dataset.name, *values, *line.verdict, " ".join(line.rows), line.fact.note)
