"""The model of a report, independent of formats: a document has sections, and a section has parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from care_bench.report.table import Cell, Column, Source, Table, seed_counts, spans, texts

if TYPE_CHECKING:
    from care_bench.report.overview import Overview
    from care_bench.report.provenance import Provenance
__all__ = [
    "Cell",
    "Column",
    "Definitions",
    "Document",
    "Facts",
    "Figure",
    "Fold",
    "Link",
    "Note",
    "Origin",
    "Paragraph",
    "Part",
    "Section",
    "Source",
    "Statements",
    "Table",
    "opened",
    "seed_counts",
    "slug",
    "spans",
    "texts",
]


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
class Facts:
    """Short facts, each under a name."""

    kind: ClassVar[str] = "facts"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Definitions:
    """Terms with what they mean: metric names, the term as tables show it, and its meaning."""

    kind: ClassVar[str] = "definitions"
    items: tuple[tuple[tuple[str, ...], str, str], ...]


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
        narrow: the drawing in one column, for a narrow page; empty where the figure has none.
    """

    kind: ClassVar[str] = "figure"
    title: str
    caption: str
    alt: str
    svg: bytes
    pdf: bytes
    data: str
    again: str = ""
    narrow: bytes = b""


@dataclass(frozen=True)
class Fold:
    """Details that are closed until a reader opens them, in formats that can do so."""

    kind: ClassVar[str] = "fold"
    title: str
    parts: tuple[Part, ...]


Part: TypeAlias = Paragraph | Statements | Facts | Definitions | Note | Link | Figure | Fold | Table


@dataclass(frozen=True)
class Origin:
    """Where the numbers of a section come from.

    Attributes:
        key: the folder below the results folder, such as `pinned/NAME`.
        name: its name.
        date: of a pin, as YYYY-MM-DD; "" for a collection that is not pinned.
        versions: of the code.
        sha256: of the folder's manifest, which has the hashes of all files.
    """

    key: str
    name: str
    date: str
    versions: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Section:
    """Parts about one collection, data set or other subject.

    Attributes:
        key: its name in the CSV and in links.
        title: its heading.
        parts: its content.
        evidence: one row per id that a cell cites; written after all sections.
        data: tables for the CSV alone.
        brief: it in one line, for a terminal.
        overview: the short form of the parts, for the first screen of a page and for a terminal.
        origin: what cites its numbers.
        provenance: the records that cells cite, by run and measurement; a page of their own.
    """

    key: str
    title: str
    parts: tuple[Part, ...]
    evidence: Table | None = None
    data: tuple[Table, ...] = ()
    brief: str = ""
    overview: Overview | None = None
    provenance: Provenance | None = None
    origin: Origin | None = None


@dataclass(frozen=True)
class Document:
    """The content of one report, whatever the format."""

    title: str
    sections: tuple[Section, ...]
    parts: tuple[Part, ...] = ()


def slug(text: str) -> str:
    """Make a title or key the name of an anchor or file."""
    return re.sub(r"[^A-Za-z0-9_.]", "-", text)


def opened(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield every part in reading order, those in folds too."""
    for part in parts:
        yield part
        if isinstance(part, Fold):
            yield from opened(part.parts)
