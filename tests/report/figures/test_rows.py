"""Rows, measures, families and means of a collection."""

from __future__ import annotations

import pytest
import scipy.stats

from care_bench.report.figures.rows import GAMMA, WAHBA, Measure, Rows
from tests.report.figures.made import collection, values


def test_rows_are_in_the_order_of_the_profile_and_have_short_labels() -> None:
    names = ("untrained", "care-weight-3", "care-one-draw", "care-circle", "care", "simclr")
    rows = Rows(collection(*(values(name, "gamma_median", [1.0]) for name in names)))
    assert [rows.names[row] for row in rows.rows("digits")] == [
        "SimCLR",
        "CARE (SimCLR)",
        "care-weight-3",
        "care-one-draw",
        "care-circle",
        "untrained",
    ]


def test_means_have_the_t_interval_of_their_seeds() -> None:
    rows = Rows(collection(values("simclr", "gamma_median", [1.0, 2.0, 6.0]), values("care", "gamma_median", [4.0])))
    (_, simclr), (_, care) = rows.summaries(GAMMA).items()
    half = scipy.stats.t.ppf(0.975, 2) * (7**0.5) / 3**0.5  # the deviation of 1, 2, 6 is the root of 14 / 2
    assert (simclr.mean, simclr.n) == (3.0, 3)
    assert simclr.low == pytest.approx(3 - half)
    assert simclr.high == pytest.approx(3 + half)
    assert (care.mean, care.low, care.high, care.n) == (4.0, None, None, 1)


def test_snapshots_and_records_without_a_value_are_apart() -> None:
    failed = values("simclr", "gamma_median", [1.0])[0].model_copy(
        update={"value": None, "reason": "diverged", "n": 0, "seed": 7}
    )
    rows = Rows(
        collection(values("simclr", "gamma_median", [1.0]), [failed], values("simclr", "gamma_median", [9.0], epoch=2))
    )
    assert [one.mean for one in rows.summaries(GAMMA).values()] == [1.0]
    assert [one.mean for one in rows.summaries(GAMMA, 2).values()] == [9.0]
    assert rows.epochs == [2]


def test_draws_are_means_over_the_seeds_and_need_the_same_number_everywhere() -> None:
    rows = Rows(
        collection(
            values("simclr", "wahba_error_per_sample", [[0.25, 0.5], [0.75, 1.0]]),
            values("care", "wahba_error_per_sample", [[0.25, 0.5], [1.0, 2.0, 3.0]]),
            values("moco", "wahba_error_per_sample", [0.5]),
        )
    )
    assert {row.name: found for (_, row), found in rows.draws(WAHBA).items()} == {"simclr": [0.5, 0.75]}


def test_a_family_is_a_base_method_and_what_wraps_it_with_all_else_equal() -> None:
    names = ("simclr", "care", "equimod", "moco", "care-moco", "care-weight-1", "care-one-draw", "circle",
             "care-circle", "invariance", "untrained")  # fmt: skip
    rows = Rows(collection(*(values(name, "gamma_median", [1.0]) for name in names)))
    assert [[row.name for row in family] for family in rows.wrappers("digits")] == [
        ["simclr", "care", "equimod", "care-weight-1", "care-one-draw"],
        ["moco", "care-moco"],
        ["circle", "care-circle"],
    ]
    assert [[row.name for row in family] for family in rows.families("digits")] == [
        ["simclr", "care", "equimod"],
        ["moco", "care-moco"],
        ["circle", "care-circle"],
    ]


def test_the_first_measure_that_was_taken_is_chosen_for_each_data_set() -> None:
    top1 = Measure("knn-v1", "top1", "features", "kNN")
    rows = Rows(
        collection(
            values("simclr", "top1", [90.0], protocol="knn-v1", representation="features"),
            values("simclr", "gamma_median", [1.0], "proteins"),
        )
    )
    assert rows.first([top1, GAMMA], "digits") == top1
    assert rows.first([top1, GAMMA], "proteins") == GAMMA
    assert rows.first([top1], "proteins") is None
