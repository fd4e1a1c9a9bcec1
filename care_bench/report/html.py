"""A report as one HTML file that needs no other: cells link to their evidence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from care_bench.report.document import TITLE, Section
from care_bench.report.tables import Cell, Column, spans

TEMPLATE = "template.html.j2"


def write_html(sections: Sequence[Section]) -> str:
    """Return the report as HTML."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["code"] = _code
    source = resources.files("care_bench.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    prose = any(column.prose for section in sections for table in section.tables for column in table.columns)
    return environment.from_string(source).render(
        title=TITLE, sections=sections, tooltip=_tooltip, spans=spans, prose=prose
    )


def _code(text: str) -> Markup:
    """Escape a sentence and set what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def _tooltip(row: str, column: Column, cell: Cell) -> str:
    """What a cell says when it is pointed at: where it stands, its interval at full width, and what is missing."""
    lines = [row, ": ".join(filter(None, (column.group, column.name)))]
    found = cell.summary
    if found is not None and found.low is not None:
        lines.append(f"mean {found.mean:.6g}, 95 % interval {found.low:.6g} to {found.high:.6g}, n = {found.n}")
    elif found is not None:
        lines.append(f"{found.mean:.6g}, n = 1: no interval")
    return "\n".join([*lines, *cell.notes])
