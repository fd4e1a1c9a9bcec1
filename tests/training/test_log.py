"""The log of loss terms: when lines are written, how an old log is continued, and losses that are not finite."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes
from care_bench.training.log import TermLog

EMPTY = sha256_bytes(b"")


def log_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_log_names_the_first_term_that_went_wrong(tmp_path: Path) -> None:
    log = TermLog(tmp_path / "log.jsonl", length=0, sha256=EMPTY, every=10, run="run r")
    one, bad = torch.tensor(1.0), torch.tensor(math.inf)
    with log:
        log.add(1, 0.1, one, {"a": one, "b": one})
        log.add(2, 0.1, bad, {"a": one, "b": bad})
        with pytest.raises(CareBenchError, match="step 2 of run r: b is inf"):
            log.flush()
    assert [line["step"] for line in log_lines(tmp_path / "log.jsonl")] == [1]


def test_a_ratio_that_is_not_finite_is_left_out(tmp_path: Path) -> None:
    one, bad = torch.tensor(1.0), torch.tensor(math.inf)
    with TermLog(tmp_path / "log.jsonl", length=0, sha256=EMPTY, every=3, run="r") as log:
        log.add(1, 0.1, one, {"a": one}, {"gradient_ratio": bad})
        log.add(2, 0.1, one, {"a": one}, {"gradient_ratio": one / 2})
        log.add(3, 0.1, one, {"a": one})
    shared = {"learning_rate": 0.1, "loss": 1.0, "a": 1.0}
    assert log_lines(tmp_path / "log.jsonl") == [
        {"step": 1, **shared},
        {"step": 2, **shared, "gradient_ratio": 0.5},
        {"step": 3, **shared},
    ]


def test_a_log_is_written_when_flushed_and_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with TermLog(path, length=0, sha256=EMPTY, every=2, run="r") as log:
        log.add(1, 0.5, torch.tensor(2.0), {"a": torch.tensor(2.0)})
        assert path.read_text() == ""
        length, kept = log.sync(), log.sha256
        log.add(2, 0.5, torch.tensor(3.0), {"a": torch.tensor(3.0)})
        log.add(3, 0.5, torch.tensor(4.0), {"a": torch.tensor(4.0)})
        assert log.last_loss == 4.0
    assert len(log_lines(path)) == 3
    with TermLog(path, length=length, sha256=kept, every=1, run="r") as log:
        log.add(2, 0.5, torch.tensor(5.0), {"a": torch.tensor(5.0)})
    assert log_lines(path) == [
        {"step": 1, "learning_rate": 0.5, "loss": 2.0, "a": 2.0},
        {"step": 2, "learning_rate": 0.5, "loss": 5.0, "a": 5.0},
    ]


def test_a_log_that_somebody_else_writes_during_the_training_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with TermLog(path, length=0, sha256=EMPTY, every=1, run="r") as log:
        log.add(1, 0.5, torch.tensor(2.0), {"a": torch.tensor(2.0)})
        assert log.content() == path.read_bytes()
        path.write_text(path.read_text().replace("2.0", "1.0"))
        with pytest.raises(CareBenchError, match=f"{path} was changed by another process during the training; delete"):
            log.content()
