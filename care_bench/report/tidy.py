"""A report as CSV: one row per cell, blanks included."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from care_bench.report.document import Section
from care_bench.report.tables import Cell, Table

_HEADER = (
    *("collection", "epoch", "table", "row", "group", "column", "unit"),
    *("value", "low", "high", "n", "bold", "text", "source", "ids", "reason"),
)


def write_csv(sections: Sequence[Section]) -> str:
    """Return the cells of all tables; ``epoch`` is that of a snapshot and empty after the last step.

    ``value`` is the mean over ``n`` pretraining seeds and ``low``, ``high`` the ends of its 95 % t-interval, at full
    precision, or the number quoted from the paper, as ``source`` says; ``ids`` are record ids apart by spaces, and
    ``reason`` says why a cell is blank or what is missing from it.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_HEADER)
    for section in sections:
        for epoch, table in _stages(section):
            for label, cells in zip(table.rows, table.cells, strict=True):
                for column, cell in zip(table.columns, cells, strict=True):
                    place = (section.key, epoch, table.title, label, column.group, column.name, column.unit)
                    rows.writerow((*place, *_values(cell)))
    return text.getvalue()


def _stages(section: Section) -> Iterator[tuple[int | None, Table]]:
    yield from ((None, table) for table in section.tables)
    yield from ((epoch, table) for epoch, tables in section.snapshots.items() for table in tables)


def _values(cell: Cell) -> tuple[object, ...]:
    found = cell.summary
    numbers = (cell.quoted, None, None, None) if found is None else (found.mean, found.low, found.high, found.n)
    return (*numbers, int(cell.bold), cell.text, cell.source, " ".join(cell.ids), "; ".join(cell.notes))
