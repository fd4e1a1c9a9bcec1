"""Cells as HTML and Markdown: a page has so many that a template would take seconds."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from care_bench.report.escaping import html, html_text, markdown
from care_bench.report.model import Cell, Column, Table, slug
from care_bench.report.overview import OUTCOMES
from care_bench.report.provenance import Value


def html_cells(cells: Sequence[Cell], table: Table, link: str) -> Markup:
    """Return the cells of a row; ``link`` is the address of a record without its id."""
    return Markup("".join(_html_cell(*found, table, link) for found in zip(cells, table.columns, strict=True)))


def record_cells(values: Sequence[Value | None], prefix: str) -> Markup:
    """Return the values of a run, each with the id of its record after ``prefix`` as anchor."""
    return Markup("".join("<td>" if one is None else _record_cell(one, prefix) for one in values))


def markdown_cells(cells: Sequence[Cell], table: Table) -> Markup:
    """Return the cells of a row, each with the bar after it."""
    return Markup("".join(f" {_markdown_cell(cell, table)} |" for cell in cells))


def _html_cell(cell: Cell, column: Column, table: Table, link: str) -> str:
    kind = " class=blank" if not cell.text else " class=prose" if column.prose else ""
    shown = _html_text(table.shown(cell), cell, column)
    if cell.ids:
        shown = f"<a href={link}{html_text(cell.ids[0])}>{shown}</a>"
    return f"<td{kind}>{shown}{_marks(cell, table)}"


def _html_text(text: str, cell: Cell, column: Column) -> str:
    if cell.bold:
        return f"<strong>{html_text(text)}</strong>"
    if column.name == "verdict" and text in OUTCOMES:
        return f'<span class="verdict {slug(text)}">{html_text(text)}</span>'
    return html(text) if column.prose else html_text(text or "–")


def _record_cell(value: Value, prefix: str) -> str:
    title = f' title="{html_text(value.reason)}"' if value.reason else ""
    return f"<td id={prefix}{html_text(value.id)}{title}>{html_text(value.text) or '–'}"


def _markdown_cell(cell: Cell, table: Table) -> str:
    shown = markdown(table.shown(cell))
    shown = f"**{shown}**" if cell.bold else shown
    ids = f"<br><sub>{markdown(' '.join(cell.ids))}</sub>" if cell.ids else ""
    return f"{shown}{_marks(cell, table)}{ids}"


def _marks(cell: Cell, table: Table) -> str:
    return f"<sup>{','.join(map(str, table.marks(cell)))}</sup>" if cell.notes else ""
