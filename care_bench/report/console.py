"""A report on the terminal: the tables with record ids under the numbers, cut to the width of the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from care_bench.report.document import Section
from care_bench.report.tables import Cell, Column, Table

_PADDING = 3
_PROSE = (24, 40)
"""Fewest and most characters of a line of a sentence."""


def print_sections(sections: Sequence[Section], console: Console) -> None:
    """Print statements and tables, the best cells between asterisks; the evidence is in the files."""
    for section in sections:
        console.print(Text(section.title, style="bold"))
        for line in section.statements:
            console.print(Text(f"- {line}"))
        for table in section.tables:
            _print_table(table, console)
        for line in section.absent:
            console.print(Text(line))
        console.print()


def _print_table(table: Table, console: Console) -> None:
    console.print()
    console.print(Text(table.title, style="bold"))
    console.print(Text(" ".join(table.caption), style="dim"))
    for columns in _pages(table, console.width):
        console.print(_page(table, columns))
    for index, note in enumerate(table.footnotes, start=1):
        console.print(Text(f"({index}) {note}"))


def _pages(table: Table, width: int) -> Iterator[range]:
    """Cut the columns into runs that fit beside the labels; a column wider than the terminal gets a run of its own."""
    room = width - max(map(len, table.rows), default=0) - _PADDING - 1
    start, used = 0, 0
    for index in range(len(table.columns)):
        needed = _width(table, index) + _PADDING
        if index > start and used + needed > room:
            yield range(start, index)
            start, used = index, 0
        used += needed
    yield range(start, len(table.columns))


def _width(table: Table, index: int) -> int:
    texts = [*_header(table.columns[index]).split("\n")]
    texts += [line for row in table.cells for line in _cell(row[index], table.marks(row[index])).plain.split("\n")]
    longest = max(map(len, texts))
    return min(longest, _PROSE[0]) if table.columns[index].prose else longest


def _page(table: Table, columns: range) -> RichTable:
    page = RichTable()
    page.add_column("", no_wrap=any(column.prose for column in table.columns))
    for index in columns:
        column = table.columns[index]
        header = Text(_header(column))
        if column.prose:
            page.add_column(header, justify="left", min_width=min(_PROSE[0], _width(table, index)), max_width=_PROSE[1])
        else:
            page.add_column(header, justify="right")
    for label, row in zip(table.rows, table.cells, strict=True):
        page.add_row(Text(label), *(_cell(row[index], table.marks(row[index])) for index in columns))
    return page


def _header(column: Column) -> str:
    return "\n".join(filter(None, (column.group, column.header)))


def _cell(cell: Cell, marks: tuple[int, ...]) -> Text:
    text = Text(f"*{cell.text}*" if cell.bold else cell.text, style="bold" if cell.bold else "")
    text.append("".join(f" ({mark})" for mark in marks) if cell.text else " ".join(f"({mark})" for mark in marks))
    for name in cell.ids:
        text.append(f"\n{name}", style="dim")
    return text
