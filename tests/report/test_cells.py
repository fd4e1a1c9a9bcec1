"""Cells as HTML and Markdown: what they show, and that nothing in them is read as markup."""

from __future__ import annotations

from dataclasses import replace

from care_bench.report.cells import html_cells, markdown_cells, record_cells
from care_bench.report.model import Cell, Column, Table
from care_bench.report.provenance import Value
from care_bench.report.statistics import Summary

COLUMNS = (Column("", "value"), Column("", "verdict", prose=True), Column("", "why", prose=True))
HOSTILE = "<b>&\"'"
ESCAPED = "&lt;b&gt;&amp;&#34;&#39;"


def row(*cells: Cell) -> Table:
    return Table("", (), COLUMNS, ("row",), (cells,))


def test_a_row_as_html() -> None:
    best = Cell("1.0 ± 0.1", Summary(1.0, 0.9, 1.1, 3), bold=True, ids=("r1", "r2"), notes=("few", "late"))
    table = row(best, Cell("supported"), Cell(f"`x` {HOSTILE}"))
    assert html_cells(table.cells[0], table, "records.html#s1-") == (
        "<td><a href=records.html#s1-r1><strong>1.0 ± 0.1</strong></a><sup>1,2</sup>"
        '<td class=prose><span class="verdict supported">supported</span>'
        f"<td class=prose><code>x</code> {ESCAPED}"
    )


def test_blanks_and_text_as_html() -> None:
    table = row(Cell(notes=("none",)), Cell("something else"), Cell("why", ids=(HOSTILE,)))
    assert html_cells(table.cells[0], table, "#") == (
        f"<td class=blank>–<sup>1</sup><td class=prose>something else<td class=prose><a href=#{ESCAPED}>why</a>"
    )
    loud = replace(table.cells[0][1], text=HOSTILE, bold=True)
    assert html_cells((loud, loud, loud), table, "#").count(f"<strong>{ESCAPED}</strong>") == 3


def test_records_as_html() -> None:
    values = (Value("r1", "0.5", ""), None, Value("r2", "", HOSTILE))
    assert record_cells(values, "s1-") == f'<td id=s1-r1>0.5<td><td id=s1-r2 title="{ESCAPED}">–'


def test_a_row_as_markdown() -> None:
    best = Cell("1.0", Summary(1.0, 0.9, 1.1, 3), bold=True, ids=("r1", "r2"), notes=("few",))
    table = row(best, Cell("a|b"), Cell(HOSTILE))
    assert markdown_cells(table.cells[0], table) == (
        " **1.0**<sup>1</sup><br><sub>r1 r2</sub> | a\\|b | &lt;b&gt;&amp;\"' |"
    )
