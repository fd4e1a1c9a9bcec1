"""A document with every kind of part, and text that every format has to escape."""

from __future__ import annotations

from care_bench.report.model import (
    Cell,
    Column,
    Document,
    Figure,
    Fold,
    Link,
    Note,
    Paragraph,
    Section,
    Statements,
    Table,
    texts,
)
from care_bench.report.writers import csv_text

SPECIAL = "50% of a_b & c < d | $e$ #1 {f} ~ ^ \\g *h* [i] ± γ"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="2" height="2"><rect width="2" height="2"/></svg>'
PDF = b"%PDF-1.4 made up"
TABLE = Table(
    f"Table {SPECIAL}",
    (f"Caption {SPECIAL}.",),
    (Column("", "number", "%", True), Column(f"Group {SPECIAL}", f"Header {SPECIAL}", prose=True)),
    (f"Row {SPECIAL}", "blank"),
    (
        (Cell("1.50", bold=True, ids=("r1", "r2", "r3"), quoted=1.5), Cell(f"Cell {SPECIAL}", notes=(SPECIAL,))),
        (Cell(notes=(f"Reason {SPECIAL}",)), Cell("plain")),
    ),
    corner="Corner",
)
FIGURE = Figure("Figure 1", f"Figure caption {SPECIAL}", f"Alternative {SPECIAL}", SVG, PDF, csv_text(("x",), [(1,)]))
EVIDENCE = Table(
    "",
    (),
    texts(("run", "sha256")),
    ("r1", "r2", "r3"),
    tuple((Cell(f"Run {SPECIAL}"), Cell("abc", whole="abcdef")) for _ in range(3)),
    corner="record",
)
FOLDED = Table("Folded", (), texts(("a",)), ("b",), ((Cell("folded cell"),),))
SECTION = Section(
    "collected/all",
    f"Section {SPECIAL}",
    (
        Statements((f"Statement {SPECIAL}", "with `code`")),
        Paragraph(f"Paragraph {SPECIAL}"),
        TABLE,
        Fold(
            f"Fold {SPECIAL}",
            (
                Note(f"Note {SPECIAL}"),
                FIGURE,
                Fold("Inner fold", (FOLDED,)),
            ),
        ),
        Link("Link text", "https://example.org/a_b?c=1&d=2"),
        Statements((f"Absent {SPECIAL}",), "Not here"),
    ),
    EVIDENCE,
)
DOCUMENT = Document(f"Document {SPECIAL}", (SECTION,), (Paragraph("Opening words."),))
SHOWN = (
    *("Document", "Table", "Caption", "Group", "Header", "Row", "Cell", "Reason", "Figure caption", "Section"),
    *("Statement", "Paragraph", "Fold", "Note", "Absent", "Run"),
)
PLAIN = ("Opening words.", "Inner fold", "folded cell", "Link text", "Not here", "Corner", "record", "1.50")
