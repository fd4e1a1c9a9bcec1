"""Records by what they measure."""

from __future__ import annotations

from care_bench.artifacts.groups import Place, grouped
from tests.sample_records import make_record


def test_the_seeds_of_a_measurement_are_one_group() -> None:
    records = [make_record(seed=seed, metric=metric) for seed in (0, 1) for metric in ("top1", "gamma")]
    found = grouped([*records, make_record(seed=0, epoch=3, metric="top1")])
    assert [(place.metric, place.epoch, [one.seed for one in group]) for place, group in found.items()] == [
        ("top1", None, [0, 1]),
        ("gamma", None, [0, 1]),
        ("top1", 3, [0]),
    ]
    for place, group in found.items():
        assert all(tuple(getattr(record, key) for key in Place._fields) == place for record in group)
