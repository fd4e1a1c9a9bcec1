"""Tables and their cells: how numbers are written, what footnotes and headers say, which cell is bold."""

from __future__ import annotations

import pytest

from care_bench.report.statistics import Summary
from care_bench.report.tables import Cell, Column, Table, mark_best, number, spans, summary_text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (91.256, "%", "91.26"),
        (7.0, "degree", "7.00"),
        (173.25, "1", "173.2"),
        (12.3456, "1", "12.35"),
        (1.23456, "1", "1.235"),
        (-0.5, "1", "-0.5000"),
        (0.0, "1", "0.0000"),
        (0.003, "1", "0.0030"),
        (0.00012, "1", "1.2e-04"),
        (-0.00012, "1", "-1.2e-04"),
    ],
)
def test_numbers_are_written_for_reading(value: float, unit: str, text: str) -> None:
    assert number(value, unit) == text


@pytest.mark.parametrize(
    ("summary", "unit", "text"),
    [
        (Summary(91.256, None, None, 1), "%", "91.26 (n=1)"),
        (Summary(91.0, 90.0, 92.0, 3), "%", "91.00 ± 1.00 (n=3)"),
        (Summary(0.5, 0.5, 0.5, 4), "1", "0.5000 ± 0.0000 (n=4)"),
        (Summary(0.5, 0.49999, 0.50001, 4), "1", "0.5000 ± <0.0001 (n=4)"),
        (Summary(0.0001, -0.0001, 0.0003, 2), "1", "1.0e-04 ± 2.0e-04 (n=2)"),
    ],
)
def test_summaries_are_written_for_reading(summary: Summary, unit: str, text: str) -> None:
    assert summary_text(summary, unit) == text


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
    assert table.footnotes == ("b", "a", "c")
    assert [table.marks(cell) for row in cells for cell in row] == [(1,), (2, 1), (), (3,)]
    assert table.slug == "a-title-odd-one"


def test_adjacent_groups_span() -> None:
    columns = tuple(Column(group, "x") for group in "aabba")
    assert spans(columns) == [("a", 2), ("b", 2), ("a", 1)]
    assert spans((Column("", "x"),)) == []


def test_headers_show_unit_and_direction() -> None:
    assert Column("", "top-1", "%", True).header == "top-1 (%) ↑"
    assert Column("", "γ", "1", False).header == "γ ↓"
    assert Column("", "angle", "degree").header == "angle (degree)"


def test_the_best_of_each_column_is_bold() -> None:
    low, high = Cell("1", Summary(1, 0.9, 1.1, 3)), Cell("2", Summary(2, 1.9, 2.1, 3))
    columns = (Column("", "a", "%", True), Column("", "b", "1", False), Column("", "c", "1", None))
    marked = mark_best(columns, [[low, low, low], [high, high, high], [Cell(notes=("x",))] * 3])
    assert [[cell.bold for cell in row] for row in marked] == [
        [False, True, False],
        [True, False, False],
        [False, False, False],
    ]
