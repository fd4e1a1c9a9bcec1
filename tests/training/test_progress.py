"""The progress of a run before its first loss is known."""

from __future__ import annotations

import math

import pytest

from care_bench.training.progress import training_progress


def test_progress_shows_no_loss_before_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    with training_progress("run", start=0, total=10, batch_size=32) as report:
        report(1, math.nan)
        report(2, 1.5)
    first, second = capsys.readouterr().err.splitlines()
    assert "loss" not in first
    assert "loss 1.5000" in second
