from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from care_bench.artifacts import Record


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
        "protocol": "cached-v1",
        "protocol_version": 1,
        "representation": "features",
        "metric": "top1",
        "value": 91.25,
        "reason": None,
        "unit": "%",
        "n": 3,
        "spread": 0.5,
        "higher_is_better": True,
        "config": "",
        "config_sha256": "a" * 64,
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
