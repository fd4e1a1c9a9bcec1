"""Records of snapshots stay out of the tables; retrieval and trajectories have a place in them."""

from __future__ import annotations

from collections.abc import Callable

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.report.layouts import lay_out, lay_out_snapshots
from care_bench.report.tables import Table

Make = Callable[..., Record]
PerSeed = Callable[..., list[Record]]
EQUIVARIANCE = "Equivariance, digits (convnet), projection"


def _collection(records: list[Record]) -> Collection:
    return Collection("small", tuple(records))


def _tables(records: list[Record]) -> dict[str, Table]:
    return {table.title: table for table in lay_out(_collection(records), "no paper").tables}


def _texts(table: Table) -> dict[str, list[str]]:
    return {label: [cell.text for cell in row] for label, row in zip(table.rows, table.cells, strict=True)}


def test_tables_are_those_without_snapshots(records: list[Record]) -> None:
    final = [record for record in records if record.epoch is None]
    assert len(final) < len(records)
    assert _tables(records) == _tables(final)
    assert lay_out_snapshots(_collection(final)) == {}
    assert not any("Snapshots" in line for line in lay_out(_collection(final), "no paper").absent)


def test_every_epoch_has_tables_of_its_own(per_seed: PerSeed, record: Make) -> None:
    records = [
        *per_seed([0.5, 0.6], metric="wahba_error"),
        *per_seed([0.7, 0.8], metric="wahba_error", epoch=100),
        *per_seed([0.9, 1.0], metric="wahba_error", epoch=20),
        record(metric="effective_rank", value=0.25, epoch=20),
    ]
    found = lay_out_snapshots(_collection(records))
    assert list(found) == [20, 100]
    others = "Other measurements, digits (convnet), projection"
    assert [table.title for table in found[20]] == [EQUIVARIANCE, others]
    assert [table.title for table in found[100]] == [EQUIVARIANCE]
    # t(0.975; 1) times the standard deviation sqrt(0.005) over sqrt(2): 12.7062 * 0.05
    assert _texts(found[20][0]) == {"SimCLR": ["0.9500 ± 0.6353 (n=2)"]}
    assert _texts(found[20][1]) == {"SimCLR": ["0.2500 (n=1)"]}
    assert _texts(found[100][0]) == {"SimCLR": ["0.7500 ± 0.6353 (n=2)"]}
    assert _texts(_tables(records)[EQUIVARIANCE]) == {"SimCLR": ["0.5500 ± 0.6353 (n=2)"]}


def test_a_row_has_one_name_at_all_epochs(record: Make) -> None:
    long, short = {"variant": "care", "metric": "wahba_error"}, {"metric": "wahba_error", "fidelity": "paper"}
    twin = {"variant": "care-simclr-paper", "method": "care", "base": "simclr", **short}
    records = [record(value=0.5, **long), record(value=0.5, **twin), record(value=0.5, epoch=3, **long)]
    name = "CARE (SimCLR), paper fidelity [care]"
    assert name in _tables(records)[EQUIVARIANCE].rows
    assert lay_out_snapshots(_collection(records))[3][0].rows == (name,)


def test_retrieval_has_a_table_per_data_set(record: Make) -> None:
    without = {"metric": "retrieval_tint_distance", "value": None, "n": 0, "reason": "digits has no label tint"}
    tinted = {"dataset": "tinted_digits", "metric": "retrieval_tint_distance"}
    layout = lay_out(
        _collection(
            [
                record(metric="retrieval_overlap", value=40.0, representation="features"),
                record(representation="features", **without),
                record(metric="retrieval_overlap", value=30.0),
                record(**without),
                record(value=0.75, **tinted),
                record(value=50.0, dataset="tinted_digits", metric="retrieval_overlap"),
            ]
        ),
        "no paper",
    )
    plain, coloured = layout.tables
    assert [table.title for table in layout.tables] == [
        "Retrieval, digits (convnet)",
        "Retrieval, tinted_digits (convnet)",
    ]
    assert [(column.group, column.header) for column in plain.columns] == [
        ("projection", "top-5 overlap (%)"),
        ("features", "top-5 overlap (%)"),
    ]
    assert [column.header for column in coloured.columns] == ["top-5 overlap (%)", "tint distance ↓"]
    assert _texts(coloured) == {"SimCLR": ["50.00 (n=1)", "0.7500 (n=1)"]}
    assert "Tint distance" not in plain.caption[0]
    assert "Tint distance" in coloured.caption[0]
    line = "retrieval-v1 (tint distance), digits (convnet): digits has no label tint (records without a value: 2)."
    assert line in layout.absent


def test_trajectories_stand_beside_the_first_component(record: Make) -> None:
    place = {"dataset": "proteins", "backbone": "deepset"}
    values = {"first_pc_r2": 0.5, "wahba_error": 0.25, "trajectory_planarity": 90.0, "trajectory_step_variation": 0.125}
    records = [record(metric=metric, value=value, **place) for metric, value in values.items()]
    table = _tables(records)["Rotated point clouds, proteins (deepset)"]
    assert [column.header for column in table.columns] == [
        "first PC, R² ↑",
        "Wahba, mean ↓",
        "trajectory, planarity (%) ↑",
        "trajectory, step variation ↓",
    ]
    assert "Trajectory: the curve" in table.caption[0]
    assert "Trajectory" not in _tables(records[:2])["Rotated point clouds, proteins (deepset)"].caption[0]


def test_imagenet100_is_shown_under_its_own_probe(record: Make) -> None:
    place = {"dataset": "imagenet100", "backbone": "resnet50"}
    skipped = {"value": None, "n": 0, "reason": "imagenet100 is probed under paper-imagenet100-v1"}
    records = [
        record(protocol="paper-imagenet100-v1", value=70.0, **place),
        record(protocol="paper-small-v1", **skipped, **place),
    ]
    layout = lay_out(_collection(records), "no paper")
    assert [table.title for table in layout.tables] == ["Probe accuracy, paper-imagenet100-v1"]
    assert (
        "paper-small-v1, imagenet100 (resnet50): imagenet100 is probed under paper-imagenet100-v1 "
        "(records without a value: 1)." in layout.absent
    )


def test_positive_pairs_and_composition_have_a_table_per_data_set(record: Make) -> None:
    records = [
        record(metric="positive_cosine_05", value=-0.25),
        record(metric="positive_cosine_mean", value=0.5),
        record(metric="positive_cosine_mean", value=0.75, representation="features"),
        record(metric="composition_error", value=0.125, dataset="proteins"),
    ]
    pairs, composition = lay_out(_collection(records), "no paper").tables
    assert (pairs.title, composition.title) == (
        "Positive pairs, digits (convnet)",
        "Composition, proteins (convnet)",
    )
    assert [(column.group, column.header) for column in pairs.columns] == [
        ("projection", "positive cosine, mean"),
        ("projection", "positive cosine, 5 % point"),
        ("features", "positive cosine, mean"),
    ]
    assert _texts(pairs) == {"SimCLR": ["0.5000 (n=1)", "-0.2500 (n=1)", "0.7500 (n=1)"]}
    assert " ".join(pairs.caption).count("Cosine of f(a(x))") == 1
    assert "near invariance as well" in " ".join(composition.caption)


def test_positive_pairs_are_shown_through_training(record: Make) -> None:
    found = lay_out_snapshots(_collection([record(metric="positive_cosine_mean", value=0.5, epoch=3)]))
    assert [table.title for table in found[3]] == ["Positive pairs, digits (convnet)"]
