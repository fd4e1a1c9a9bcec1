"""Print a document within the width of the terminal, and write its files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from care_bench.artifacts.collection import COLLECTED, PINNED
from care_bench.artifacts.folders import check_apart, check_replaceable, fill
from care_bench.files import replacing
from care_bench.report.model import (
    Cell,
    Column,
    Definitions,
    Document,
    Facts,
    Figure,
    Fold,
    Link,
    Note,
    Paragraph,
    Part,
    Statements,
    Table,
)

_PARTS = (
    r"(index|records)\.html|figures/|figures/[^/]+--[^/]+\.(svg|pdf|csv)|tables/|tables/pin\.bib"
    r"|tables/[^/]+--[^/]+\.(tex|html)"
)
"""What a folder of documents may hold beside them."""
LOG_WIDTH = 160
"""Width of the output where it is no terminal."""
_PADDING = 3
_PROSE = (16, 40)
"""Fewest and most characters of a line of a sentence."""
_LABEL = 32
"""Most characters of a row label on one line, in a table with sentences."""


def publish(folder: Path, stem: str, files: Mapping[str, bytes | str]) -> list[Path]:
    """Write files into a folder of their own.

    Args:
        folder: the folder to make or replace as a whole, so that all of its files have one age.
        stem: of the names of the documents in it: "report" or "settings".
        files: relative name -> content.

    Returns:
        The files that are in the folder itself, in the order of ``files``.

    Raises:
        CareBenchError: the folder cannot be written, holds anything else than such files, or is among collections.
    """
    check_apart(folder, COLLECTED, PINNED)
    with replacing(folder) as new:
        check_replaceable(folder, re.compile(rf"{stem}\.(md|tex|html|csv)|{_PARTS}"), f"the {stem} files")
        fill(new, {name: text.encode() if isinstance(text, str) else text for name, text in files.items()})
    return [folder / name for name in files if "/" not in name]


def standard_output() -> Console:
    """Return a console for standard output, of a fixed width where that is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=LOG_WIDTH)


def print_document(document: Document, console: Console) -> None:
    """Print everything but the evidence, which is in the files; the best cells are between asterisks."""
    if document.parts:
        console.print(Text(document.title, style="bold"))
        _print_parts(document.parts, console)
        console.print()
    for section in document.sections:
        console.print(Text(section.title, style="bold"))
        _print_parts(section.parts, console)
        console.print()


def _print_parts(parts: Iterable[Part], console: Console) -> None:
    for part in parts:
        match part:
            case Table():
                _print_table(part, console)
            case Statements():
                if part.title:
                    console.print(Text(f"\n{part.title}", style="bold"))
                for item in part.items:
                    console.print(Text(f"- {item}"))
            case Facts():
                for name, text in part.items:
                    console.print(Text(f"- {name}: {text}"))
            case Definitions():
                for _, term, text in part.items:
                    console.print(Text(f"- {term}: {text}"))
            case Paragraph() | Note():
                console.print(Text(part.text))
            case Link():
                console.print(Text(f"{part.text}: {part.target}"))
            case Figure():
                console.print(Text(part.title, style="bold"))
                console.print(Text(f"{part.caption} ({part.alt})"))
            case Fold():
                console.print(Text(part.title, style="bold"))
                _print_parts(part.parts, console)


def _print_table(table: Table, console: Console) -> None:
    console.print()
    console.print(Text(table.title, style="bold"))
    if table.caption:
        console.print(Text(" ".join(table.caption), style="dim"))
    columns = [_column(table, index) for index in range(len(table.columns))]
    for page in _pages(table, columns, console.width):
        shown = RichTable()
        shown.add_column(Text(table.corner), overflow="fold", min_width=_label_width(table))
        for index in page:
            column, texts = table.columns[index], columns[index]
            if column.prose:
                width = _width(column, texts)
                shown.add_column(texts[0], overflow="fold", min_width=width, max_width=_PROSE[1])
            else:
                shown.add_column(texts[0], justify="right")
        for number, label in enumerate(table.rows, start=1):
            shown.add_row(Text(label), *(columns[index][number] for index in page))
        console.print(shown)
    for note, number in table.footnotes.items():
        console.print(Text(f"({number}) {note}"))


def _column(table: Table, index: int) -> list[Text]:
    """Header and cells of a column."""
    column = table.columns[index]
    header = "\n".join(filter(None, (column.group, column.header)))
    return [Text(header), *(_cell(table, row[index]) for row in table.cells)]


def _pages(table: Table, columns: list[list[Text]], width: int) -> Iterator[range]:
    """Cut the columns into pages that fit next to the labels; a column wider than the terminal gets its own page."""
    room = width - _label_width(table) - _PADDING - 1
    start, used = 0, 0
    for index, texts in enumerate(columns):
        needed = _width(table.columns[index], texts) + _PADDING
        if index > start and used + needed > room:
            yield range(start, index)
            start, used = index, 0
        used += needed
    yield range(start, len(columns))


def _label_width(table: Table) -> int:
    longest = max(map(len, table.rows), default=0)
    return min(longest, _LABEL) if table.prose else longest


def _width(column: Column, texts: list[Text]) -> int:
    """Characters that a column needs; sentences can be broken."""
    longest = max(len(line) for text in texts for line in text.plain.split("\n"))
    return min(longest, _PROSE[0]) if column.prose else longest


def _cell(table: Table, cell: Cell) -> Text:
    shown = table.shown(cell)
    text = Text(f"*{shown}*" if cell.bold else shown, style="bold" if cell.bold else "")
    marks = " ".join(f"({mark})" for mark in table.marks(cell))
    text.append(f" {marks}" if shown and marks else marks)
    for name in cell.ids:
        text.append(f"\n{name}", style="dim")
    return text
