"""Which tables a collection has, which rows and columns, and what is said of what is missing."""

from __future__ import annotations

from collections.abc import Callable

from care_bench.artifacts import Record
from tests.report.laid_out import NO_PAPER, ONE_SEED, columns, layout, notes, tables, texts

Make = Callable[..., Record]
PerSeed = Callable[..., list[Record]]


def test_which_tables_there_are(records: list[Record]) -> None:
    assert list(tables(records)) == [
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
    table = tables([*behind, *others])["Probe accuracy, cached-v1"]
    assert table.rows == ("SimCLR", "CARE (SimCLR), paper fidelity")
    assert table.cells[1][0].ids == tuple(record.id for record in behind)


def test_a_table_that_cannot_be_filled_is_a_line(record: Make) -> None:
    assert layout([record(metric="effective_rank", value=0.1)]).absent == [
        "Probe accuracy: nothing measured in this collection of profile small.",
        "Equivariance: nothing measured in this collection of profile small.",
        "Positive pairs: nothing measured in this collection of profile small.",
        "Composition: nothing measured in this collection of profile small.",
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
    found = layout(records)
    assert [table.title for table in found.tables] == [
        "Probe accuracy, cached-v1",
        "Equivariance, proteins (deepset), projection",
        "Loss ablation, digits (convnet)",
    ]
    assert found.tables[0].rows == ("CARE (SimCLR), paper fidelity", "invariance only")
    assert found.tables[0].cells[0][0].notes[0] == "diverged"
    assert "cached-v1, proteins (deepset): proteins has no class labels (records without a value: 4)." in found.absent


def test_blanks_and_gaps_are_explained(record: Make, per_seed: PerSeed) -> None:
    failed = {"value": None, "n": 0}
    table = tables(
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
    elsewhere = ("not part of this collection of profile small",)
    assert notes(table) == {
        "SimCLR": [(), elsewhere],
        "CARE (SimCLR), paper fidelity": [("no record of seed 1 in this collection of profile small",), elsewhere],
        "invariance only": [("diverged",), elsewhere],
        "uniformity only": [("seed 0: diverged", "seed 2: killed"), elsewhere],
        "equivariance only, paper fidelity": [elsewhere, ()],
    }
    assert texts(table)["uniformity only"][0] == "2.00 (n=1)"
    assert texts(table)["invariance only"] == ["", ""]
    assert len(table.cells[table.rows.index("invariance only")][0].ids) == 3


def test_representations_and_data_sets_are_columns(record: Make) -> None:
    table = tables(
        [
            record(representation="features"),
            record(),
            record(dataset="cifar10", backbone="resnet18", representation="features"),
        ]
    )["Probe accuracy, cached-v1"]
    assert columns(table) == [
        ("cifar10 (resnet18)", "top-1, features"),
        ("digits (convnet)", "top-1, projection"),
        ("digits (convnet)", "top-1, features"),
    ]


def test_captions_name_protocol_selection_and_seeds(per_seed: PerSeed) -> None:
    many = tables(per_seed([80.0, 82.0], n=3, spread=0.1))["Probe accuracy, cached-v1"].caption
    assert "Protocol: cached-v1 (version 1; the value of one seed is a mean of 3 repeats)." in many
    assert "Selection: last checkpoint; nothing selected on test data." in many
    assert not any("one seed proves nothing" in line for line in many)
    lone = tables(per_seed([80.0]))["Probe accuracy, cached-v1"].caption
    assert lone[-1] == ONE_SEED
    mixed = tables([*per_seed([80.0, 82.0]), *per_seed([80.0], variant="care")])["Probe accuracy, cached-v1"].caption
    assert mixed[-1] == "n=1: one seed proves nothing: no ranking follows from the cells with n=1."


def test_the_ablation_has_every_row(per_seed: PerSeed) -> None:
    table = tables(
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
