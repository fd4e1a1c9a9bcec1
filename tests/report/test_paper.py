"""The comparison of our values with the paper's."""

from __future__ import annotations

from collections.abc import Callable

from care_bench.artifacts import Record
from care_bench.report.paper import PaperValue
from tests.report.laid_out import ONE_SEED, absent, columns, notes, tables, texts

Make = Callable[..., Record]
PerSeed = Callable[..., list[Record]]
SIMCLR = PaperValue("simclr", None, "cifar10", 90.98, 0.10, "paper")


def test_the_table_compares_the_paper_with_our_values(per_seed: PerSeed) -> None:
    paper = [
        SIMCLR,
        PaperValue("simclr", None, "stl10", None, None, "gap"),
        PaperValue("byol", None, "cifar10", 90.44, None, "cited"),
        PaperValue("care", "simclr", "cifar10", 91.92, 0.12, "paper"),
    ]
    place = {"dataset": "cifar10", "protocol": "paper-small-v1", "representation": "features"}
    released = {"variant": "care-released-code", **place}
    table = tables(
        [
            *per_seed([90.0, 91.0], variant="simclr", **place),
            *per_seed([91.0, 92.0], variant="care", **place),
            *per_seed([91.5, 92.5], **released),
            *per_seed([1.0, 2.0], variant="care-weight-3"),  # on digits only: no row
        ],
        paper,
    )["The paper's Table 1 beside ours"]
    assert columns(table) == [
        ("cifar10", "paper"),
        ("cifar10", "ours: paper-small-v1, features, convnet"),
        ("stl10", "paper"),
        ("stl10", "ours"),
    ]
    half = 12.706204736 / 2  # t(0.975; 1) times the standard deviation sqrt(1/2) over sqrt(2)
    assert texts(table) == {
        "SimCLR": ["90.98 ± 0.10 (paper)", f"90.50 ± {half:.2f}", "", ""],
        "BYOL": ["90.44 (cited)", "", "", ""],
        "CARE (SimCLR), paper fidelity": ["91.92 ± 0.12 (paper)", f"91.50 ± {half:.2f}", "", ""],
        "CARE (SimCLR), released-code fidelity": ["91.92 ± 0.12 (paper)", f"92.00 ± {half:.2f}", "", ""],
    }
    assert notes(table)["SimCLR"][2:] == [
        ("gap: the text of the paper at hand does not show this value",),
        ("data set stl10 is not linearly probed in this collection of profile small",),
    ]
    assert notes(table)["BYOL"][1:3] == [
        ("not part of this collection of profile small",),
        ("not an entry of reference/table1.csv",),
    ]
    assert not any(cell.bold for row in table.cells for cell in row)


def test_a_comparison_with_one_seed_says_that_it_proves_nothing(record: Make) -> None:
    table = tables([record(dataset="cifar10")], [SIMCLR])["The paper's Table 1 beside ours"]
    assert table.caption[-1] == ONE_SEED


def test_without_a_data_set_of_the_paper_the_comparison_is_one_line(record: Make) -> None:
    knn = record(dataset="cifar10", protocol="knn-v1")
    assert absent([record(), knn], [SIMCLR])[-1] == (
        "The paper's Table 1 beside ours: profile small has no linear probe on a data set of it (cifar10)."
    )
