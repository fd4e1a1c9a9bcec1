"""The model of a report, independent of formats: a document has sections, and a section has parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, TypeAlias

from care_bench.report.statistics import Summary

Source = Literal["records", "paper", "cited", "gap", "theory"]
"""Where a cell comes from: our records, the paper, a paper it cites, a gap in its text, the ledger."""

_ARROWS = {True: " ↑", False: " ↓", None: ""}


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Statements:
    """A list of sentences, under a heading of its own where ``title`` is not empty."""

    kind: ClassVar[str] = "statements"
    items: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True)
class Note:
    """A remark set apart from the text."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Link:
    """A link to a page or file."""

    kind: ClassVar[str] = "link"
    text: str
    target: str


@dataclass(frozen=True)
class Figure:
    """A figure with the numbers behind it.

    Attributes:
        title: its heading.
        caption: describes it.
        alt: describes it to readers who cannot see it.
        svg: the image for HTML and Markdown.
        pdf: the image for LaTeX.
        data: the plotted numbers as CSV.
        again: a command that draws it alone.
    """

    kind: ClassVar[str] = "figure"
    title: str
    caption: str
    alt: str
    svg: bytes
    pdf: bytes
    data: str
    again: str = ""


@dataclass(frozen=True)
class Fold:
    """Details that are closed until a reader opens them, in formats that can do so."""

    kind: ClassVar[str] = "fold"
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        group: the spanning header above it.
        name: its own header.
        unit: shown after the name unless it is "1".
        higher_is_better: None means that no value in it is marked best.
        prose: it holds sentences: flush left, broken into lines.
    """

    group: str
    name: str
    unit: str = "1"
    higher_is_better: bool | None = None
    prose: bool = False

    @property
    def header(self) -> str:
        """Name, unit unless it is 1, and an arrow in the direction of better."""
        unit = "" if self.unit == "1" else f" ({self.unit})"
        return f"{self.name}{unit}{_ARROWS[self.higher_is_better]}"

    @property
    def full_header(self) -> str:
        """Group and header in one line."""
        return ": ".join(filter(None, (self.group, self.header)))


@dataclass(frozen=True)
class Cell:
    """A value with the records behind it, or a blank whose ``notes`` say why.

    Attributes:
        text: shown in every format.
        summary: mean and interval behind ``text``, for our own numbers.
        bold: whether it is the best of its column.
        ids: records behind it, rows of the section's evidence.
        notes: footnotes, such as why the cell is blank or which seeds are missing.
        source: where the value comes from.
        quoted: the number behind a quoted value.
        whole: the full text where ``text`` is cut, such as a hash.
    """

    text: str = ""
    summary: Summary | None = None
    bold: bool = False
    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: Source = "records"
    quoted: float | None = None
    whole: str = ""

    def __post_init__(self) -> None:
        if not self.text and not self.notes:
            raise ValueError("found a blank cell without a reason; expected a note that explains it")


@dataclass(frozen=True)
class Table:
    """A table; ``cells[i][j]`` is in row i and column j.

    Attributes:
        title: its heading; empty for a table that is known by its section.
        caption: sentences.
        columns: without the column of row labels.
        rows: row labels.
        cells: rows of cells.
        corner: header of the column of row labels.
        epoch: of the snapshots it shows; None for the encoders after the last step.
    """

    kind: ClassVar[str] = "table"
    title: str
    caption: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    corner: str = ""
    epoch: int | None = None

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.cells}
        if len(self.cells) != len(self.rows) or widths - {len(self.columns)}:
            raise ValueError(
                f"found {len(self.cells)} rows of cells with widths {sorted(widths)}; "
                f"expected {len(self.rows)} rows of {len(self.columns)}"
            )

    @property
    def lines(self) -> list[tuple[str, tuple[Cell, ...]]]:
        """Row labels with their cells."""
        return list(zip(self.rows, self.cells, strict=True))

    @property
    def prose(self) -> bool:
        """Whether a column holds sentences."""
        return any(column.prose for column in self.columns)

    @cached_property
    def footnotes(self) -> dict[str, int]:
        """Distinct notes in reading order, with their numbers from 1."""
        notes = dict.fromkeys(note for row in self.cells for cell in row for note in cell.notes)
        return {note: number for number, note in enumerate(notes, start=1)}

    def marks(self, cell: Cell) -> list[int]:
        """Footnote numbers of a cell."""
        return [self.footnotes[note] for note in cell.notes]


Part: TypeAlias = Paragraph | Statements | Note | Link | Figure | Fold | Table


@dataclass(frozen=True)
class Section:
    """Parts about one collection, data set or other subject.

    Attributes:
        key: its name in the CSV and in links.
        title: its heading.
        parts: its content.
        evidence: one row per record that a cell cites; written after all sections.
        data: tables for the CSV alone.
    """

    key: str
    title: str
    parts: tuple[Part, ...]
    evidence: Table | None = None
    data: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Document:
    """The content of one report, whatever the format."""

    title: str
    sections: tuple[Section, ...]
    parts: tuple[Part, ...] = ()


def slug(text: str) -> str:
    """Make a title or key the name of an anchor or file."""
    return re.sub(r"[^A-Za-z0-9_.]", "-", text)


def spans(columns: Sequence[Column]) -> list[tuple[str, int, int]]:
    """Spanning headers as (text, first column, number of columns); empty where no column has one."""
    found: list[tuple[str, int, int]] = []
    for index, column in enumerate(columns):
        if found and found[-1][0] == column.group:
            group, first, width = found[-1]
            found[-1] = (group, first, width + 1)
        else:
            found.append((column.group, index, 1))
    return found if any(group for group, *_ in found) else []


def texts(columns: Iterable[str], *, prose: bool = True) -> tuple[Column, ...]:
    """Columns of plain texts."""
    return tuple(Column("", name, prose=prose) for name in columns)


def opened(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield every part in reading order, those in folds too."""
    for part in parts:
        yield part
        if isinstance(part, Fold):
            yield from opened(part.parts)
