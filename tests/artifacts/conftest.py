from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from care_bench.artifacts import Record
from tests.artifacts.profile_runs import profile, runs, whole
from tests.sample_records import record, records, results, written

__all__ = ["content", "make", "profile", "record", "records", "results", "runs", "whole", "written"]


@pytest.fixture
def content() -> dict[str, Any]:
    """One whole record as plain data."""
    return {
        "profile": "small",
        "dataset": "digits",
        "method": "care",
        "base": "simclr",
        "fidelity": "paper",
        "variant": "care",
        "backbone": "convnet",
        "seed": 3,
        "epoch": None,
        "protocol": "cached-v1",
        "protocol_version": 1,
        "representation": "features",
        "metric": "top1",
        "value": 91.25,
        "reason": None,
        "unit": "%",
        "n": 3,
        "samples": None,
        "spread": 0.5,
        "values": None,
        "higher_is_better": True,
        "evaluation": "{}",
        "config": "{}",
        "config_sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",  # SHA-256 of "{}"
        "data_sha256": "b" * 64,
        "weights_sha256": "c" * 64,
        "code_version": "0.1.0+g0123456789ab",
        "environment": {"python": "3.11.7"},
        "device": "cpu: a processor",
        "duration_s": 1.5,
    }


@pytest.fixture
def make(content: dict[str, Any]) -> Callable[..., Record]:
    """A record with some keys changed."""
    return lambda **changes: Record(**{**content, **changes})
