"""A job in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from care_bench.config import parse_profile
from care_bench.evaluation.protocols import PROTOCOLS

from .made import PROFILE, Job


@pytest.fixture(autouse=True)
def _one_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure under one protocol only: which one decides nothing here."""
    monkeypatch.setattr("care_bench.evaluation.run.PROTOCOLS", {"wahba-v1": PROTOCOLS["wahba-v1"]})


@pytest.fixture
def job(tmp_path: Path, data: Path) -> Job:
    return Job(tmp_path, data, parse_profile(PROFILE, "here").runs())
