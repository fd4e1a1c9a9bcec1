"""A caption speaks of what its figure shows in this collection, and of nothing else."""

from __future__ import annotations

import pytest

from care_bench.artifacts import Record
from care_bench.report.figures import plots_of
from tests.report.figures.made import collection, values

SWEEP = ("care-weight-1", "care-weight-3", "care")


def caption(name: str, *records: list[Record]) -> str:
    return plots_of(collection(*records))[name].caption


@pytest.mark.parametrize(("seeds", "intervals"), [([0.5], False), ([0.5, 0.6], True)])
def test_intervals_are_named_where_there_are_several_seeds(seeds: list[float], intervals: bool) -> None:
    swept = [values(name, "gamma_median", seeds) for name in SWEEP]
    snapshots = [values("care", "gamma_median", seeds, epoch=2), values("simclr", "gamma_median", seeds)]
    ablation = [values(name, "gamma_median", seeds) for name in ("invariance", "simclr", "care", "untrained")]
    captions = [
        caption("weight", *swept),
        caption("training", *swept, *snapshots),
        caption("ablation", *ablation),
    ]
    assert ["95 % t-intervals" in text for text in captions] == [intervals] * 3
    assert ["one pretraining seed, without intervals" in text for text in captions] == [not intervals] * 3


def test_the_base_method_is_named_where_it_has_a_row() -> None:
    swept = [values(name, "gamma_median", [0.5, 0.6]) for name in SWEEP]
    assert "base method alone" not in caption("weight", *swept)
    assert "line with its band is the base method" in caption(
        "weight", *swept, values("simclr", "gamma_median", [1, 2])
    )
    alone = [values(name, "gamma_median", [0.5]) for name in (*SWEEP, "simclr")]
    assert "The line is the base method alone" in caption("weight", *alone)


def test_whole_methods_are_named_where_they_have_rows() -> None:
    terms = [values(name, "gamma_median", [0.5]) for name in ("invariance", "untrained", "uniformity")]
    assert "SimCLR" not in caption("ablation", *terms)
    both = [*terms, *(values(name, "gamma_median", [0.5]) for name in ("simclr", "care"))]
    assert "beside SimCLR (invariance and uniformity) and CARE (all three)." in caption("ablation", *both)
    assert "distance to uniformity" not in caption("ablation", *both)


def test_the_edge_is_named_where_a_mark_lies_on_it() -> None:
    def circle(variance: float) -> str:
        found = [
            values("circle", metric, [[0.5, value]], protocol="cosine-v1")
            for metric, value in (("cosine_mean", 0.5), ("cosine_variance", variance))
        ]
        return caption("circle", *found)

    assert "lower edge" in circle(1e-12)
    assert "lower edge" not in circle(0.1)
