"""The tables of a collection with their rows and columns, at the end of training and at snapshots."""

from __future__ import annotations

from collections.abc import Callable

from care_bench.artifacts import Record
from tests.report.laid_out import NO_PAPER, absent, columns, snapshots, tables, texts
from tests.sample_records import sha

Make = Callable[..., Record]
PerSeed = Callable[..., list[Record]]
EQUIVARIANCE = "Equivariance, digits (convnet), projection"


def test_the_tables_of_a_section(records: list[Record]) -> None:
    assert list(tables(records)) == [
        "Loss ablation, digits (convnet)",
        "Probe accuracy, cached-v1",
        "Probe accuracy, paper-small-v1",
        "Probe accuracy, knn-v1",
        "Equivariance, digits (convnet), projection",
        "Equivariance, proteins (deepset), projection",
        "Retrieval, digits (convnet)",
        "Rotated point clouds, proteins (deepset)",
        "Other measurements, digits (convnet), projection",
    ]


def test_a_table_that_cannot_be_filled_is_one_line(record: Make) -> None:
    assert absent([record(metric="effective_rank", value=0.1)]) == [
        "Probe accuracy: nothing measured in this collection of profile small.",
        "Equivariance: nothing measured in this collection of profile small.",
        "Positive pairs: nothing measured in this collection of profile small.",
        "Composition: nothing measured in this collection of profile small.",
        "Certificate: nothing measured in this collection of profile small.",
        "Held-out maps: nothing measured in this collection of profile small.",
        "Augmentation prediction: nothing measured in this collection of profile small.",
        "Single augmentations: nothing measured in this collection of profile small.",
        "Smooth transformations: nothing measured in this collection of profile small.",
        "Retrieval: nothing measured in this collection of profile small.",
        "Loss ablation: nothing measured in this collection of profile small.",
        "Rotated point clouds: nothing measured in this collection of profile small.",
        "The added term in training: nothing measured in this collection of profile small.",
        NO_PAPER,
    ]


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


def test_simclr_with_another_invariance_weight_is_not_called_infonce(per_seed: PerSeed) -> None:
    config = '{"method":{"invariance_weight":0.5,"name":"simclr"},"training":{"steps":null}}'
    half = {"variant": "simclr-half-invariance", "method": "simclr", "config": config, "config_sha256": sha(config)}
    found = [*per_seed([60.0], variant="invariance"), *per_seed([80.0], variant="simclr"), *per_seed([81.0], **half)]
    table = tables(found)["Loss ablation, digits (convnet)"]
    assert table.rows[4:6] == ("SimCLR = InfoNCE", "SimCLR, invariance weight 0.5 [simclr-half-invariance]")
    assert "but for an invariance weight that their row names" in table.caption[0]


def test_a_table_of_several_data_sets_names_settings_that_differ_between_them(record: Make) -> None:
    def care(dataset: str, splits: int) -> Record:
        method = f'{{"base":{{"name":"simclr"}},"name":"care","splits":{splits}}}'
        config = f'{{"method":{method},"training":{{"steps":null}}}}'
        return record(variant="care", dataset=dataset, config=config, config_sha256=sha(config))

    named = "Settings that differ between the data sets, as the section on settings says: "
    table = tables([care("digits", 8), care("tinted_digits", 4)])["Probe accuracy, cached-v1"]
    assert f"{named}splits of CARE (SimCLR), paper fidelity." in table.caption
    same = tables([care("digits", 8), care("tinted_digits", 8)])["Probe accuracy, cached-v1"]
    assert not any(named in sentence for sentence in same.caption)


def test_snapshots_do_not_change_the_tables(records: list[Record]) -> None:
    final = [record for record in records if record.epoch is None]
    assert len(final) < len(records)
    assert tables(records) == tables(final)
    assert snapshots(final) == {}
    assert not any("Snapshots" in line for line in absent(final))


def test_every_epoch_has_tables_of_its_own(per_seed: PerSeed, record: Make) -> None:
    records = [
        *per_seed([0.5, 0.6], metric="wahba_error"),
        *per_seed([0.7, 0.8], metric="wahba_error", epoch=100),
        *per_seed([0.9, 1.0], metric="wahba_error", epoch=20),
        record(metric="effective_rank", value=0.25, epoch=20),
    ]
    found = snapshots(records)
    assert list(found) == [20, 100]
    others = "Other measurements, digits (convnet), projection"
    assert [table.title for table in found[20]] == [EQUIVARIANCE, others]
    assert [table.title for table in found[100]] == [EQUIVARIANCE]
    # t(0.975; 1) times the standard deviation sqrt(0.005) over sqrt(2): 12.7062 * 0.05
    assert texts(found[20][0]) == {"SimCLR": ["0.9500 ± 0.6353"]}
    assert texts(found[20][1]) == {"SimCLR": ["0.2500"]}
    assert texts(found[100][0]) == {"SimCLR": ["0.7500 ± 0.6353"]}
    assert texts(tables(records)[EQUIVARIANCE]) == {"SimCLR": ["0.5500 ± 0.6353"]}


def test_a_row_has_one_name_at_all_epochs(record: Make) -> None:
    long, short = {"variant": "care", "metric": "wahba_error"}, {"metric": "wahba_error", "fidelity": "paper"}
    twin = {"variant": "care-simclr-paper", "method": "care", "base": "simclr", **short}
    records = [record(value=0.5, **long), record(value=0.5, **twin), record(value=0.5, epoch=3, **long)]
    name = "CARE (SimCLR), paper fidelity [care]"
    assert name in tables(records)[EQUIVARIANCE].rows
    assert snapshots(records)[3][0].rows == (name,)


def test_retrieval_has_a_table_per_data_set(record: Make) -> None:
    without = {"metric": "retrieval_tint_distance", "value": None, "n": 0, "reason": "digits has no label tint"}
    tinted = {"dataset": "tinted_digits", "metric": "retrieval_tint_distance"}
    records = [
        record(metric="retrieval_overlap", value=40.0, representation="features"),
        record(representation="features", **without),
        record(metric="retrieval_overlap", value=30.0),
        record(**without),
        record(value=0.75, **tinted),
        record(value=50.0, dataset="tinted_digits", metric="retrieval_overlap"),
    ]
    plain, coloured = tables(records).values()
    assert list(tables(records)) == [
        "Retrieval, digits (convnet)",
        "Retrieval, tinted_digits (convnet)",
    ]
    assert [(column.group, column.header) for column in plain.columns] == [
        ("projection", "top-5 overlap (%)"),
        ("features", "top-5 overlap (%)"),
    ]
    assert [column.header for column in coloured.columns] == ["top-5 overlap (%)", "tint distance ↓"]
    assert texts(coloured) == {"SimCLR": ["50.00", "0.7500"]}
    line = "retrieval-v1 (tint distance), digits (convnet): digits has no label tint (records without a value: 2)."
    assert line in absent(records)


def test_trajectories_share_a_table_with_the_first_component(record: Make) -> None:
    place = {"dataset": "proteins", "backbone": "deepset"}
    values = {"first_pc_r2": 0.5, "wahba_error": 0.25, "trajectory_planarity": 90.0, "trajectory_step_variation": 0.125}
    records = [record(metric=metric, value=value, **place) for metric, value in values.items()]
    table = tables(records)["Rotated point clouds, proteins (deepset)"]
    assert [column.header for column in table.columns] == [
        "first PC, R² ↑",
        "Wahba, mean ↓",
        "trajectory, planarity (%) ↑",
        "trajectory, step variation ↓",
    ]


def test_imagenet100_is_shown_under_its_own_probe(record: Make) -> None:
    place = {"dataset": "imagenet100", "backbone": "resnet50"}
    skipped = {"value": None, "n": 0, "reason": "imagenet100 is probed under paper-imagenet100-v1"}
    records = [
        record(protocol="paper-imagenet100-v1", value=70.0, **place),
        record(protocol="paper-small-v1", **skipped, **place),
    ]
    assert list(tables(records)) == ["Probe accuracy, paper-imagenet100-v1"]
    assert (
        "paper-small-v1, imagenet100 (resnet50): imagenet100 is probed under paper-imagenet100-v1 "
        "(records without a value: 1)." in absent(records)
    )


def test_positive_pairs_and_composition_have_a_table_per_data_set(record: Make) -> None:
    records = [
        record(metric="positive_cosine_05", value=-0.25),
        record(metric="positive_cosine_mean", value=0.5),
        record(metric="positive_cosine_mean", value=0.75, representation="features"),
        record(metric="composition_error", value=0.125, dataset="proteins"),
    ]
    pairs, composition = tables(records).values()
    assert (pairs.title, composition.title) == (
        "Positive pairs, digits (convnet)",
        "Composition, proteins (convnet)",
    )
    assert [(column.group, column.header) for column in pairs.columns] == [
        ("projection", "positive cosine, mean"),
        ("projection", "positive cosine, 5 % point"),
        ("features", "positive cosine, mean"),
    ]
    assert texts(pairs) == {"SimCLR": ["0.5000", "-0.2500", "0.7500"]}


def test_positive_pairs_are_shown_over_training(record: Make) -> None:
    found = snapshots([record(metric="positive_cosine_mean", value=0.5, epoch=3)])
    assert [table.title for table in found[3]] == ["Positive pairs, digits (convnet)"]
