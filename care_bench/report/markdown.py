"""A report in Markdown (GitHub's): tables first, the list of evidence after them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tabulate import tabulate

from care_bench.report.document import TITLE, Section
from care_bench.report.tables import Cell, Table

SHORT = 12
"""Hex digits of a hash that the list of evidence shows; the collection's files have all of them."""


def write_markdown(sections: Sequence[Section]) -> str:
    """Return the report as Markdown."""
    blocks = [f"# {TITLE}"]
    for section in sections:
        blocks += _section(section)
    for section in sections:
        blocks += [f"## Evidence, {escape(section.key)}", _evidence(section)]
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Escape what Markdown or HTML would read as markup, and keep the text on one line; `code` stays code."""
    plain = " ".join(text.split())
    return re.sub(r"[\\|*\[\]]", r"\\\g<0>", plain).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _section(section: Section) -> list[str]:
    blocks = [f"## {escape(section.title)}", "\n".join(f"- {escape(line)}" for line in section.statements)]
    for table in section.tables:
        blocks += [f"### {escape(table.title)}", escape(" ".join(table.caption)), _table(table)]
        if table.footnotes:
            notes = (f"<sup>{number}</sup> {escape(note)}" for number, note in enumerate(table.footnotes, start=1))
            blocks.append("<br>\n".join(notes))
    if section.absent:
        blocks += ["### Not in this report", "\n".join(f"- {escape(line)}" for line in section.absent)]
    return blocks


def _table(table: Table) -> str:
    headers = ["", *(escape(": ".join(filter(None, (column.group, column.header)))) for column in table.columns)]
    rows = [
        [escape(label), *(_cell(cell, table.marks(cell)) for cell in row)]
        for label, row in zip(table.rows, table.cells, strict=True)
    ]
    alignment = ["left", *("left" if column.prose else "right" for column in table.columns)]
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=alignment)


def _cell(cell: Cell, marks: tuple[int, ...]) -> str:
    text = escape(cell.text)
    shown = f"**{text}**" if cell.bold else text
    notes = f"<sup>{','.join(map(str, marks))}</sup>" if marks else ""
    ids = f"<br><sub>{' '.join(cell.ids)}</sub>" if cell.ids else ""
    return f"{shown}{notes}{ids}"


def _evidence(section: Section) -> str:
    rows = [
        [line.id, *map(escape, line.texts), *(digest[:SHORT] for digest in line.hashes), *map(escape, line.origin)]
        for line in section.evidence
    ]
    return tabulate(rows, section.header.names, tablefmt="pipe", disable_numparse=True)
