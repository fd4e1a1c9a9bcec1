"""What a run says of the code, packages and devices that made it, where several processes did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from care_bench.artifacts import code_version, environment
from care_bench.config import RunConfig
from care_bench.runs.device import describe_device
from care_bench.runs.folder import RunFolder
from care_bench.training import session
from care_bench.training.checkpoint import made_by
from care_bench.training.pretrain import pretrain

Make = Callable[..., RunConfig]
Cut = Callable[[RunConfig, Path, int], RunFolder]


def test_a_run_that_another_process_continues_names_both(
    tiny: Make,
    data: Path,
    tmp_path: Path,
    cut: Cut,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its bits are those of neither, and its records must not say that they are those of the last one."""
    folder = cut(tiny(), tmp_path / "run", 4)
    capsys.readouterr()
    found = environment()
    monkeypatch.setattr(session, "environment", lambda: {**found, "torch": "9.9"})
    monkeypatch.setattr(session, "code_version", lambda: "1.0+gother")
    summary = json.loads(pretrain(tiny(), data, folder.path).summary.read_text())
    assert summary["environment"] == {**found, "torch": f"{found['torch']}, then 9.9"}
    assert summary["code_version"] == f"{code_version()}, then 1.0+gother"
    assert summary["device"] == describe_device(torch.device("cpu"), 1), "this one is the same"
    said = capsys.readouterr().err
    assert (
        f"was begun elsewhere, which its records will say: code_version: {code_version()}, then 1.0+gother; torch"
        in said
    )


def test_makers_are_named_in_the_order_of_the_processes() -> None:
    first = made_by({}, {"torch": "2.11", "device": "cpu"})
    assert first == {"torch": "2.11", "device": "cpu"}
    second = made_by(first, {"torch": "2.15", "device": "cpu", "extra": "1"})
    assert second == {"torch": "2.11, then 2.15", "device": "cpu", "extra": "absent, then 1"}
    assert made_by(second, {"torch": "2.15", "device": "cpu", "extra": "1"}) == second
    assert made_by(second, {"torch": "2.11", "device": "cpu"}) == {
        "torch": "2.11, then 2.15, then 2.11",
        "device": "cpu",
        "extra": "absent, then 1, then absent",
    }
