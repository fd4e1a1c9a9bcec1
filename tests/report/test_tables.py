from __future__ import annotations

from collections.abc import Callable

import pytest

from care_bench.artifacts import Record
from care_bench.report.collect import Collection
from care_bench.report.document import build_section
from care_bench.report.layouts import lay_out
from care_bench.report.paper import PaperValue
from care_bench.report.statistics import Summary
from care_bench.report.tables import Cell, Column, Table, mark_best, number, spans, summary_text

Make = Callable[..., Record]
PerSeed = Callable[..., list[Record]]
NO_PAPER = "no paper"


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


def _tables(records: list[Record], paper: list[PaperValue] | str = NO_PAPER) -> dict[str, Table]:
    return {table.title: table for table in lay_out(Collection("small", tuple(records)), paper).tables}


def _texts(table: Table) -> dict[str, list[str]]:
    return {label: [cell.text for cell in row] for label, row in zip(table.rows, table.cells, strict=True)}


def test_every_record_stands_in_a_table_with_its_id(records: list[Record]) -> None:
    tables = _tables(records)
    reasons = ("digits holds images, not point clouds", "digits has no tint")
    inapplicable = [record for record in records if record.reason in reasons]
    cited = {name for table in tables.values() for row in table.cells for cell in row for name in cell.ids}
    shown = [record for record in records if record not in inapplicable and record.epoch is None]
    assert len(inapplicable) == 3
    assert cited == {record.id for record in shown}
    section = build_section(Collection("small", tuple(records)), NO_PAPER)
    assert [line.id for line in section.evidence] == sorted(cited)
    assert {line.sha256 for line in section.evidence} == {record.sha256 for record in shown}
    assert section.absent[-3:] == (
        "first-pc-v1, digits (convnet): digits holds images, not point clouds (records without a value: 2).",
        "retrieval-v1 (tint distance), digits (convnet): digits has no tint (records without a value: 1).",
        "Snapshots after epochs 2, 10: 9 records, whose rows are in report.csv.",
    )


def test_which_tables_there_are(records: list[Record]) -> None:
    assert list(_tables(records)) == [
        "Probe accuracy, cached-v1",
        "Probe accuracy, paper-small-v1",
        "Probe accuracy, knn-v1",
        "Equivariance, digits (convnet), projection",
        "Equivariance, proteins (deepset), projection",
        "Retrieval, digits (convnet)",
        "Loss ablation, digits (convnet)",
        "Rotated point clouds, proteins (deepset)",
        "Other measurements, digits (convnet), projection",
    ]


def test_a_cell_cites_the_records_behind_it(per_seed: PerSeed) -> None:
    behind, others = per_seed([80.0, 82.0], variant="care"), per_seed([1.0, 2.0], variant="simclr")
    table = _tables([*behind, *others])["Probe accuracy, cached-v1"]
    assert table.rows == ("SimCLR", "CARE (SimCLR), paper fidelity")
    assert table.cells[1][0].ids == tuple(record.id for record in behind)


def test_a_table_that_cannot_be_filled_is_a_line(record: Make) -> None:
    layout = lay_out(Collection("small", (record(metric="composition_error", value=0.1),)), NO_PAPER)
    assert layout.absent == [
        "Probe accuracy: nothing measured in this collection of profile small.",
        "Equivariance: nothing measured in this collection of profile small.",
        "Retrieval: nothing measured in this collection of profile small.",
        "Loss ablation: nothing measured in this collection of profile small.",
        "Rotated point clouds: nothing measured in this collection of profile small.",
        NO_PAPER,
    ]


def test_a_protocol_that_fits_no_run_of_a_data_set_is_a_line(record: Make, per_seed: PerSeed) -> None:
    reason = {"value": None, "n": 0, "reason": "proteins has no class labels"}
    proteins = {"dataset": "proteins", "backbone": "deepset"}
    records = [
        *[
            record(representation=place, seed=seed, **proteins, **reason)
            for place in ("projection", "features")
            for seed in (0, 1)
        ],
        *per_seed([0.5, 0.6], metric="wahba_error", **proteins),
        *per_seed([60.0, 61.0], variant="invariance"),
        record(variant="care", seed=0, value=None, n=0, reason="diverged"),
    ]
    layout = lay_out(Collection("small", tuple(records)), NO_PAPER)
    assert [table.title for table in layout.tables] == [
        "Probe accuracy, cached-v1",
        "Equivariance, proteins (deepset), projection",
        "Loss ablation, digits (convnet)",
    ]
    assert layout.tables[0].rows == ("CARE (SimCLR), paper fidelity", "invariance only")
    assert layout.tables[0].cells[0][0].notes[0] == "diverged"
    assert "cached-v1, proteins (deepset): proteins has no class labels (records without a value: 4)." in layout.absent


def test_blanks_and_gaps_are_explained(record: Make, per_seed: PerSeed) -> None:
    failed = {"value": None, "n": 0}
    table = _tables(
        [
            *per_seed([1.0, 2.0, 3.0], variant="simclr"),
            *per_seed([1.0, None, 3.0], variant="care"),
            *[record(variant="invariance", seed=seed, reason="diverged", **failed) for seed in range(3)],
            record(variant="uniformity", seed=0, reason="diverged", **failed),
            record(variant="uniformity", seed=1, value=2.0),
            record(variant="uniformity", seed=2, reason="killed", **failed),
            *per_seed([5.0, 6.0, 7.0], variant="equivariance", representation="features"),
        ]
    )["Probe accuracy, cached-v1"]
    notes = {label: [cell.notes for cell in row] for label, row in zip(table.rows, table.cells, strict=True)}
    elsewhere = ("not part of this collection of profile small",)
    assert notes == {
        "SimCLR": [(), elsewhere],
        "CARE (SimCLR), paper fidelity": [("no record of seed 1 in this collection of profile small",), elsewhere],
        "invariance only": [("diverged",), elsewhere],
        "uniformity only": [("seed 0: diverged", "seed 2: killed"), elsewhere],
        "equivariance only, paper fidelity": [elsewhere, ()],
    }
    assert _texts(table)["uniformity only"][0] == "2.00 (n=1)"
    assert _texts(table)["invariance only"] == ["", ""]
    assert len(table.cells[table.rows.index("invariance only")][0].ids) == 3


def test_representations_and_data_sets_are_columns(record: Make) -> None:
    table = _tables(
        [
            record(representation="features"),
            record(),
            record(dataset="cifar10", backbone="resnet18", representation="features"),
        ]
    )["Probe accuracy, cached-v1"]
    assert [(column.group, column.name) for column in table.columns] == [
        ("cifar10 (resnet18)", "top-1, features"),
        ("digits (convnet)", "top-1, projection"),
        ("digits (convnet)", "top-1, features"),
    ]


def test_captions_name_protocol_selection_and_seeds(per_seed: PerSeed) -> None:
    many = _tables(per_seed([80.0, 82.0], n=3, spread=0.1))["Probe accuracy, cached-v1"].caption
    assert "Protocol: cached-v1 (version 1; the value of one seed is a mean of 3 repeats)." in many
    assert "Selection: last checkpoint; nothing selected on test data." in many
    assert not any("one seed proves nothing" in line for line in many)
    lone = _tables(per_seed([80.0]))["Probe accuracy, cached-v1"].caption
    assert lone[-1] == "n=1: one seed proves nothing: no ranking follows from this table."
    mixed = _tables([*per_seed([80.0, 82.0]), *per_seed([80.0], variant="care")])["Probe accuracy, cached-v1"].caption
    assert mixed[-1] == "n=1: one seed proves nothing: no ranking follows from the cells with n=1."


def test_the_ablation_has_every_row(per_seed: PerSeed) -> None:
    table = _tables(
        [
            *per_seed([60.0, 61.0], variant="invariance"),
            *per_seed([80.0, 81.0], variant="simclr"),
            *per_seed([0.5, 0.6], variant="simclr", metric="wahba_error"),
            *per_seed([90.0, 91.0], variant="care"),
            *per_seed([90.0, 91.0], variant="care", method="care", base="moco_v2", representation="features"),
        ]
    )["Loss ablation, digits (convnet)"]
    assert table.rows == (
        "invariance only",
        "uniformity only",
        "equivariance only",
        "uniformity + equivariance",
        "SimCLR = InfoNCE",
        "CARE (SimCLR), paper fidelity",
    )
    assert [column.header for column in table.columns[:2]] == ["top-1, cached-v1 (%) ↑", "Wahba, mean ↓"]


def test_the_papers_values_stand_beside_ours(per_seed: PerSeed) -> None:
    paper = [
        PaperValue("simclr", None, "cifar10", 90.98, 0.10, "paper"),
        PaperValue("simclr", None, "stl10", None, None, "gap"),
        PaperValue("byol", None, "cifar10", 90.44, None, "cited"),
        PaperValue("care", "simclr", "cifar10", 91.92, 0.12, "paper"),
    ]
    place = {"dataset": "cifar10", "protocol": "paper-small-v1", "representation": "features"}
    released = {"variant": "care-released-code", **place}
    table = _tables(
        [
            *per_seed([90.0, 91.0], variant="simclr", **place),
            *per_seed([91.0, 92.0], variant="care", **place),
            *per_seed([91.5, 92.5], **released),
            *per_seed([1.0, 2.0], variant="care-weight-3"),  # on digits only: no row
        ],
        paper,
    )["The paper's Table 1 beside ours"]
    assert [(column.group, column.name) for column in table.columns] == [
        ("cifar10", "paper"),
        ("cifar10", "ours: paper-small-v1, features, convnet"),
        ("stl10", "paper"),
        ("stl10", "ours"),
    ]
    half = 12.706204736 / 2  # t(0.975; 1) times the standard deviation sqrt(1/2) over sqrt(2)
    assert _texts(table) == {
        "SimCLR": ["90.98 ± 0.10 (paper)", f"90.50 ± {half:.2f} (n=2)", "", ""],
        "BYOL": ["90.44 (cited)", "", "", ""],
        "CARE (SimCLR), paper fidelity": ["91.92 ± 0.12 (paper)", f"91.50 ± {half:.2f} (n=2)", "", ""],
        "CARE (SimCLR), released-code fidelity": ["91.92 ± 0.12 (paper)", f"92.00 ± {half:.2f} (n=2)", "", ""],
    }
    assert [cell.notes for cell in table.cells[0][2:]] == [
        ("gap: the text of the paper at hand does not show this value",),
        ("data set stl10 is not linearly probed in this collection of profile small",),
    ]
    assert [cell.notes for cell in table.cells[1][1:3]] == [
        ("not part of this collection of profile small",),
        ("not an entry of reference/table1.csv",),
    ]
    assert not any(cell.bold for row in table.cells for cell in row)


def test_one_seed_beside_the_paper_proves_nothing(record: Make) -> None:
    paper = [PaperValue("simclr", None, "cifar10", 90.98, 0.10, "paper")]
    table = _tables([record(dataset="cifar10")], paper)["The paper's Table 1 beside ours"]
    assert table.caption[-1] == "n=1: one seed proves nothing: no ranking follows from this table."


def test_no_data_set_of_the_paper_is_one_line(record: Make) -> None:
    paper = [PaperValue("simclr", None, "cifar10", 90.98, 0.10, "paper")]
    knn = record(dataset="cifar10", protocol="knn-v1")
    layout = lay_out(Collection("small", (record(), knn)), paper)
    assert layout.absent[-1] == (
        "The paper's Table 1 beside ours: profile small has no linear probe on a data set of it (cifar10)."
    )


def test_statements_say_what_a_reader_must_know(record: Make) -> None:
    lone = build_section(Collection("small", (record(variant="care", code_version="1+g0.dirty"),)), NO_PAPER)
    text = "\n".join(lone.statements)
    assert "Number of pretraining seeds: 1 (0). One seed proves nothing: no ranking follows from these tables." in text
    assert "Not pinned: pin it with `care-bench pin NAME --collection small`." in text
    assert "`released-code` is the loss as the authors' code has it" in text
    assert "not committed (.dirty)" in text
    two = build_section(Collection("fixed", (record(), record(seed=5)), pinned_on="2026-01-02"), NO_PAPER)
    text = "\n".join(two.statements)
    assert "Number of pretraining seeds: 2 (0, 5)." in text
    assert "Pinned on 2026-01-02" in text
    assert "proves nothing" not in text
    assert "idelity" not in text
    assert two.key == "pinned/fixed"
