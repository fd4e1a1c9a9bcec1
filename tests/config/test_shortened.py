"""Runs cut to a few steps: a small batch, and parts of it that fit."""

from __future__ import annotations

from typing import Any

import pytest

from care_bench.config.shortened import shortened
from tests.config.test_run import MOCO, SIMCLR, make


@pytest.mark.parametrize(
    ("method", "training", "batch", "parts"),
    [
        (SIMCLR, {"batchnorm_rows": 32}, 8, {"training.batchnorm_rows": 4}),
        (SIMCLR, {"batchnorm_rows": 30, "batch_size": 90}, 8, {"training.batchnorm_rows": 2}),
        (SIMCLR, {"batchnorm_rows": 3, "batch_size": 6}, 6, {"training.batchnorm_rows": 3}),
        ({**SIMCLR, "negatives_per": 16}, {}, 8, {"method.negatives_per": 4}),
        ({**SIMCLR, "negatives_per": 9}, {"batch_size": 90}, 8, {"method.negatives_per": 2}),
        ({**SIMCLR, "negatives_per": 3}, {"batch_size": 6}, 6, {"method.negatives_per": 3}),
        (
            {"name": "equimod", "base": {**SIMCLR, "negatives_per": 16}},
            {},
            8,
            {"method.base.negatives_per": 4},
        ),
        ({**MOCO, "split_batchnorm": 8}, {}, 8, {"method.split_batchnorm": 4}),
        ({**MOCO, "queue": 48, "split_batchnorm": 3}, {"batch_size": 48}, 8, {"method.split_batchnorm": 1}),
        (
            {"name": "care", "base": {**MOCO, "split_batchnorm": 8}, "splits": 16, "weight": 1},
            {},
            8,
            {"method.splits": 4, "method.base.split_batchnorm": 4},
        ),
    ],
)
def test_parts_of_a_batch_shrink_with_it(
    method: dict[str, Any], training: dict[str, Any], batch: int, parts: dict[str, int]
) -> None:
    run = shortened(make(method, **training), 2)
    again = type(run).parse(run.model_dump(mode="json"), "again")  # every rule about a run holds
    assert again == run
    assert (run.training.batch_size, run.training.steps) == (batch, 2)
    for key, expected in parts.items():
        value: Any = run.model_dump()
        for part in key.split("."):
            value = value[part]
        assert value == expected, key
