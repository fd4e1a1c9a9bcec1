"""Tables and cells: valid contents, footnotes and headers."""

from __future__ import annotations

import pytest

from care_bench.report.model import Cell, Column, Fold, Note, Table, opened, slug, spans


def test_a_blank_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="without a reason"):
        Cell()
    assert Cell(notes=("why",)).text == ""


def test_a_table_is_rectangular() -> None:
    columns, cell = (Column("", "a"), Column("", "b")), Cell("1")
    with pytest.raises(ValueError, match="expected 1 rows of 2"):
        Table("t", (), columns, ("row",), ((cell,),))
    with pytest.raises(ValueError, match="expected 2 rows of 2"):
        Table("t", (), columns, ("row", "row"), ((cell, cell),))


def test_footnotes_are_numbered_in_reading_order() -> None:
    cells = ((Cell("1", notes=("b",)), Cell(notes=("a", "b"))), (Cell("2"), Cell("3", notes=("c",))))
    table = Table("A title, (odd) one", (), (Column("g", "x"), Column("g", "y")), ("1", "2"), cells)
    assert table.footnotes == {"b": 1, "a": 2, "c": 3}
    assert [table.marks(cell) for row in cells for cell in row] == [[1], [2, 1], [], [3]]


def test_a_title_becomes_an_anchor() -> None:
    assert slug("collected/A title, γ_1") == "collected-A-title---_1"


def test_adjacent_groups_span() -> None:
    columns = tuple(Column(group, "x") for group in "aabba")
    assert spans(columns) == [("a", 0, 2), ("b", 2, 2), ("a", 4, 1)]
    assert spans((Column("", "x"),)) == []


def test_headers_show_unit_and_direction() -> None:
    assert Column("", "top-1", "%", True).header == "top-1 (%) ↑"
    assert Column("", "γ", "1", False).header == "γ ↓"
    assert Column("", "angle", "degree").header == "angle (degree)"


def test_folded_parts_are_listed() -> None:
    inner, outer, last = Note("inner"), Fold("more", (Note("first"), Fold("most", (Note("inner"),)))), Note("last")
    parts = list(opened((outer, last)))
    assert [type(part).__name__ for part in parts] == ["Fold", "Note", "Fold", "Note", "Note"]
    assert parts[3:] == [inner, last]
