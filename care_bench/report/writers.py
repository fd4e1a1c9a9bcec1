"""A document as Markdown, LaTeX, HTML and CSV: templates, with escaping by format."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from care_bench.report import escaping
from care_bench.report.model import Cell, Column, Document, Figure, Section, Table, opened, slug, spans

COLUMNS_PER_PAGE = 4
PROSE_ROWS_PER_PAGE = 6
"""Rows of sentences that fit on a page of LaTeX."""
_CSV_HEADER = (
    *("collection", "epoch", "table", "row", "group", "column", "unit"),
    *("value", "low", "high", "n", "bold", "text", "source", "ids", "reason"),
)


def write_markdown(document: Document) -> str:
    """Return the document as Markdown (GitHub's)."""
    return _on_lines(_render("document.md.j2", document, escaping.markdown))


def write_latex(document: Document) -> str:
    r"""Return the document as LaTeX, for \input into a document that loads booktabs, and graphicx for figures."""
    delimiters = {"block_start_string": "<%", "block_end_string": "%>", "comment_start_string": "<#"}
    delimiters |= {"variable_start_string": "<<", "variable_end_string": ">>", "comment_end_string": "#>"}
    return _on_lines(_render("document.tex.j2", document, escaping.latex, **delimiters))


def write_html(document: Document) -> str:
    """Return the document as one HTML page that needs no other file; cells link to their evidence."""
    return _render("document.html.j2", document, None)


def write_csv(document: Document) -> str:
    """Return the cells of all tables, one per row; ``epoch`` is that of a snapshot and empty after the last step.

    ``value`` is the mean over ``n`` pretraining seeds and ``low``, ``high`` the ends of its 95 % t-interval, at full
    precision, or the number quoted from the paper, as ``source`` says; ``ids`` are record ids separated by spaces, and
    ``reason`` says why a cell is blank or what is missing from it.
    """
    return csv_text(_CSV_HEADER, (row for section in document.sections for row in _csv_rows(section)))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def figure_files(document: Document) -> dict[str, bytes]:
    """Return the files that Markdown and LaTeX refer to, and the numbers behind figures: relative name -> content."""
    files: dict[str, bytes] = {}
    for section in document.sections:
        for part in opened(section.parts):
            if isinstance(part, Figure):
                name = figure_name(section, part)
                files |= {f"{name}.svg": part.svg, f"{name}.pdf": part.pdf, f"{name}.csv": part.data.encode()}
    return files


def figure_name(section: Section, figure: Figure) -> str:
    """Name the files of a figure, without their ending."""
    return f"figures/{slug(section.key)}--{slug(figure.title)}"


FORMATS: dict[str, Callable[[Document], str]] = {
    "md": write_markdown,
    "tex": write_latex,
    "html": write_html,
    "csv": write_csv,
}
"""File ending -> writer."""


def _render(template: str, document: Document, escape: Callable[[str], str] | None, **delimiters: Any) -> str:
    """Fill a template; everything that is not markup of the template is escaped, by default for HTML."""

    def escaped(value: object) -> object:
        return value if escape is None or isinstance(value, Markup) else Markup(escape(str(value)))

    environment = Environment(
        loader=PackageLoader("care_bench.report"),
        autoescape=True,
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **delimiters,
    )
    environment.filters |= {"slug": slug, "code": escaping.html, "base64": _base64}
    helpers = {"spans": spans, "pages": _pages, "tooltip": _tooltip, "figure_name": figure_name}
    return environment.get_template(template).render(document=document, **helpers)


def _on_lines(text: str) -> str:
    """Leave one blank line between blocks; no text has a line break of its own."""
    lines = [line.rstrip() for line in text.split("\n")]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return "\n".join(kept).strip("\n") + "\n"


def _base64(content: bytes | str) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


def _pages(table: Table) -> Iterator[tuple[tuple[Column, ...], list[tuple[str, tuple[Cell, ...]]]]]:
    """Cut columns, and rows of prose, into parts that fit on a page; every part has the row labels."""
    height = PROSE_ROWS_PER_PAGE if table.prose else max(len(table.rows), 1)
    for first in range(0, len(table.rows), height):
        for start in range(0, len(table.columns), COLUMNS_PER_PAGE):
            part = slice(start, start + COLUMNS_PER_PAGE)
            yield table.columns[part], [(label, cells[part]) for label, cells in table.lines[first : first + height]]


def _tooltip(row: str, column: Column, cell: Cell) -> str:
    """Return the tooltip of a cell: its row and column, its interval at more digits, and its notes."""
    lines = [row, ": ".join(filter(None, (column.group, column.name)))]
    found = cell.summary
    if found is not None and found.low is not None:
        lines.append(f"mean {found.mean:.6g}, 95 % interval {found.low:.6g} to {found.high:.6g}, n = {found.n}")
    elif found is not None:
        lines.append(f"{found.mean:.6g}, n = 1: no interval")
    return "\n".join([*lines, *cell.notes])


def _csv_rows(section: Section) -> Iterator[tuple[object, ...]]:
    for table in [*(part for part in opened(section.parts) if isinstance(part, Table)), *section.data]:
        for label, cells in table.lines:
            for column, cell in zip(table.columns, cells, strict=True):
                place = (section.key, table.epoch, table.title, label, column.group, column.name, column.unit)
                found = cell.summary
                numbers = (
                    (cell.quoted, None, None, None) if found is None else (found.mean, found.low, found.high, found.n)
                )
                notes = "; ".join(cell.notes)
                yield (*place, *numbers, int(cell.bold), cell.text, cell.source, " ".join(cell.ids), notes)
