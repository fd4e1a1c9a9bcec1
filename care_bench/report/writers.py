"""A document as Markdown, LaTeX, HTML and CSV: templates, with escaping by format."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from care_bench.report import escaping
from care_bench.report.cells import html_cells, markdown_cells, record_cells
from care_bench.report.latex import table_name
from care_bench.report.model import (
    Cell,
    Definitions,
    Document,
    Figure,
    Part,
    Section,
    Statements,
    Table,
    opened,
    slug,
    spans,
)

PAGE, RECORDS_PAGE = "index.html", "records.html"
MANY = 100
"""Most rows of a collection's table on the page; one with more has a page of its own, and these are its first."""
_LONG = re.compile(r"\b([1-9]\d*\.\d\d)\d+")
"""A number of at least 1 with more than two decimals; smaller ones may be scales."""
_QUOTED = re.compile(r"""[^A-Za-z0-9 !$&'"()*+,\-./:;=?@[\]^_`{|}~<>]+""")
"""Characters that an address in an attribute may not hold as they are, beside the quotation marks around it."""
_CSV_HEADER = (
    *("collection", "epoch", "table", "row", "group", "column", "unit"),
    *("value", "low", "high", "n", "bold", "text", "source", "ids", "reason"),
)


def write_markdown(document: Document) -> str:
    """Return the document as Markdown (GitHub's)."""
    return _on_lines(_render("document.md.j2", document, escaping.markdown))


def write_latex(document: Document) -> str:
    r"""Return the document as LaTeX, for \input into a document that loads booktabs, and graphicx for figures.

    Its tables are files of their own (see :mod:`care_bench.report.latex`).
    """
    delimiters = {"block_start_string": "<%", "block_end_string": "%>", "comment_start_string": "<#"}
    delimiters |= {"variable_start_string": "<<", "variable_end_string": ">>", "comment_end_string": "#>"}
    return _on_lines(_render("document.tex.j2", document, escaping.latex, delimiters=delimiters))


def write_html(document: Document) -> str:
    """Return the document as one HTML page that loads nothing; numbers link to their records in ``RECORDS_PAGE``.

    Of a table of more than ``MANY`` rows it has the first, and a link to its own page (see :func:`table_pages`).
    """
    return _render("document.html.j2", document, None)


def records_page(document: Document) -> dict[str, str]:
    """Return the page of the records that the numbers of a page link to, if there are any: name -> content."""
    if not any(section.provenance for section in document.sections):
        return {}
    return {RECORDS_PAGE: _render("records.html.j2", document, None)}


def table_pages(document: Document) -> dict[str, str]:
    """Return a page for each table of which the page shows the first rows only: relative name -> content."""
    return {
        f"{table_name(section, part)}.html": _render(
            "table.html.j2",
            document,
            None,
            {
                "section": section,
                "table": part,
                "root": "../",
                "top": f"../{PAGE}",
                "shown": lambda _, table: table.lines,
            },
        )
        for section in document.sections
        for part in opened(section.parts)
        if isinstance(part, Table) and len(_shown(section, part)) < len(part.rows)
    }


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


def figure_files(document: Document) -> dict[str, str | bytes]:
    """Return the files that Markdown and LaTeX refer to, and the numbers behind figures: relative name -> content."""
    found: dict[str, str | bytes] = {}
    for section in document.sections:
        for part in opened(section.parts):
            if isinstance(part, Figure):
                name = figure_name(section, part)
                found |= {f"{name}.svg": part.svg, f"{name}.pdf": part.pdf, f"{name}.csv": part.data}
    return found


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


def _render(
    template: str,
    document: Document,
    escape: Callable[[str], str] | None,
    names: Mapping[str, Any] = MappingProxyType({}),
    delimiters: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """Fill a template; everything that is not markup of the template is escaped, by default for HTML.

    ``names`` are further names that the template knows, ``delimiters`` what marks its blocks.
    """

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
    environment.filters |= {"slug": slug, "code": escaping.html, "image": _image}
    environment.filters |= {"cells": html_cells, "records": record_cells, "markdown_cells": markdown_cells}
    helpers = {
        "spans": spans,
        "table_name": table_name,
        "figure_name": figure_name,
        **_html_helpers(document),
        **names,
    }
    return environment.get_template(template).render(document=document, **helpers)


def _on_lines(text: str) -> str:
    """Leave one blank line between blocks; no text has a line break of its own."""
    lines = [line.rstrip() for line in text.split("\n")]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return "\n".join(kept).strip("\n") + "\n"


def _image(svg: bytes) -> Markup:
    """Return an SVG as an address that holds it, with coordinates to hundredths of a point."""
    text = _LONG.sub(r"\1", svg.decode()).replace("\n", " ")
    text = text if "'" in text else text.replace('"', "'")
    quoted = _QUOTED.sub(lambda found: quote(found[0]), text).replace('"', "%22").replace("&", "&amp;")
    return Markup(f"data:image/svg+xml,{quoted}")


def _html_helpers(document: Document) -> dict[str, Any]:
    """Return what the template of a page needs to know of the whole document."""
    sections = document.sections
    found = [part for section in sections for part in opened(section.parts) if isinstance(part, Definitions)]
    return {
        "asset": lambda name: Markup(files(__package__).joinpath("templates", name).read_text(encoding="utf-8")),
        # Ids of records are short anchors; two collections may hold the same record.
        "prefix": {section.key: f"s{place}-" if place else "" for place, section in enumerate(sections)},
        "terms": {name for part in found for names, *_ in part.items for name in names},
        "page": PAGE,
        "records": RECORDS_PAGE,
        "root": "",
        "top": "",
        "shown": _shown,
        "notes": _notes,
        "after": _after_first_screen,
    }


def _shown(section: Section | None, table: Table) -> list[tuple[str, tuple[Cell, ...]]]:
    """Return the rows of a table that the page shows."""
    return table.lines[:MANY] if section and section.provenance and not table.linked else table.lines


def _notes(table: Table, lines: Sequence[tuple[str, tuple[Cell, ...]]]) -> list[str]:
    """Return the footnotes of the first rows of a table; they are numbered in reading order."""
    marks = [mark for _, cells in lines for cell in cells for mark in table.marks(cell)]
    return list(table.footnotes)[: max(marks, default=0)]


def _after_first_screen(section: Section) -> list[Part]:
    """Return the parts that the first screen does not show."""
    overview = section.overview
    if overview is None:
        return list(section.parts)
    remarks = Statements(overview.said)
    return [part for part in section.parts if part not in (overview.facts, remarks, overview.figure)]


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
