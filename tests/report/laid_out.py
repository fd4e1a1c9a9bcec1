"""What stands in the tables laid out from a few records."""

from __future__ import annotations

from collections.abc import Iterable

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.report.layouts import Layout, lay_out
from care_bench.report.paper import PaperValue
from care_bench.report.tables import Table

NO_PAPER = "no paper"
ONE_SEED = "n=1: one seed proves nothing: no ranking follows from this table."


def small(records: Iterable[Record]) -> Collection:
    return Collection("small", tuple(records))


def layout(records: Iterable[Record], paper: list[PaperValue] | str = NO_PAPER) -> Layout:
    return lay_out(small(records), paper)


def tables(records: Iterable[Record], paper: list[PaperValue] | str = NO_PAPER) -> dict[str, Table]:
    return {table.title: table for table in layout(records, paper).tables}


def columns(table: Table) -> list[tuple[str, str]]:
    return [(column.group, column.name) for column in table.columns]


def texts(table: Table) -> dict[str, list[str]]:
    return {label: [cell.text for cell in row] for label, row in zip(table.rows, table.cells, strict=True)}


def notes(table: Table) -> dict[str, list[tuple[str, ...]]]:
    return {label: [cell.notes for cell in row] for label, row in zip(table.rows, table.cells, strict=True)}
