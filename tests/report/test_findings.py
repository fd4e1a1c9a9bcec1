"""Sentences on the rows of a collection beside the untrained encoder and the inputs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from care_bench.artifacts import Record
from care_bench.report.figures.rows import Rows
from care_bench.report.findings import findings
from tests.report.figures.made import collection, values

ERROR = {"protocol": "held-out-wahba-v1", "representation": "features"}
KNN = {"protocol": "knn-v1", "representation": "features", "unit": "%", "higher_is_better": True}
FLOOR = (0.5, 0.75, 0.625)


def error(variant: str, per_seed: Sequence[float]) -> list[Record]:
    return values(variant, "held_out_wahba", per_seed, **ERROR)


def knn(variant: str, per_seed: Sequence[float]) -> list[Record]:
    return values(variant, "top1", per_seed, **KNN)


def said(*records: list[Record]) -> list[str]:
    return list(findings(Rows(collection([record for some in records for record in some]))))


def test_rows_are_compared_with_the_untrained_encoder_seed_by_seed() -> None:
    """With t = 4.303 at two degrees of freedom, worked out by hand.

    The rows' own intervals overlap with the floor's; their differences decide. care: -0.1 in every seed, within 0.01;
    simclr: +0.1; equimod: -0.3, 0.1 and 0.05, whose interval -0.05 +- 4.303 * 0.218 / sqrt(3) holds 0.
    """
    found = said(
        error("untrained", FLOOR),
        error("care", [0.40, 0.66, 0.525]),
        error("simclr", [0.60, 0.86, 0.725]),
        error("equimod", [0.2, 0.85, 0.675]),
        error("random", [0.01, 0.01, 0.01]),
    )
    assert found == [
        "digits: one rotation or reflection of the untrained encoder's features leaves 0.625 of the motion of unseen "
        "samples unexplained; less: 1 of 3 other rows, more: 1, not told apart: 1 (paired 95 % intervals, 3 seeds); "
        "least: CARE (SimCLR), 0.528."
    ]


def test_accuracy_is_read_beside_the_inputs_and_the_best_row_is_named() -> None:
    found = said(
        knn("raw", [90.0, 90.0, 90.0]),
        knn("care", [92.0, 92.5, 93.0]),
        knn("simclr", [95.0, 95.5, 96.0]),
        knn("moco", [80.0, 81.0, 82.0]),
        knn("untrained", [99.0, 99.0, 99.0]),
    )
    assert found == [
        "digits: kNN top-1 (%) on the inputs themselves is 90; more: 2 of 3 other rows, less: 1, not told apart: 0 "
        "(paired 95 % intervals, 3 seeds); most: SimCLR, 95.5."
    ]


def test_one_seed_ranks_nothing() -> None:
    (found,) = said(error("untrained", [0.5]), error("care", [0.4]), error("simclr", [0.6]))
    assert found.endswith("; less: 1 of 2 other rows, more: 1 (one seed each).")


@pytest.mark.parametrize("others", [[], error("random", FLOOR)])
def test_without_a_floor_or_a_trained_row_nothing_is_said(others: list[Record]) -> None:
    assert said(error("untrained", FLOOR), others) == []
    assert said(error("care", FLOOR), others) == []


def test_a_seed_that_the_floor_lacks_does_not_count() -> None:
    (found,) = said(error("untrained", FLOOR[:2]), error("care", [0.4, 0.65, 0.9]))
    assert "less: 1 of 1 other row, more: 0, not told apart: 0 (paired 95 % intervals, 2 seeds)" in found


def test_one_seed_beside_rows_of_several_decides_nothing() -> None:
    (found,) = said(error("untrained", FLOOR), error("care", [0.40, 0.66, 0.525]), error("simclr", [0.1]))
    assert "less: 1 of 2 other rows, more: 0, not told apart: 1 (paired 95 % intervals, 3 seeds)" in found


def test_of_many_rows_those_that_are_drawn_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("care_bench.report.figures.rows.MOST", 2)
    monkeypatch.setattr("care_bench.report.findings.MOST", 2)
    (found,) = said(error("untrained", FLOOR), error("care", [0.40, 0.66, 0.525]), error("moco", [0.1, 0.2, 0.3]))
    assert " of 1 other row among the first 2," in found
