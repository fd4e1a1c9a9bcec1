"""The state of methods and optimizers survives a power cut: the weights and the log stay the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from care_bench.config import RunConfig
from care_bench.runs.folder import RunFolder
from care_bench.training.checkpoint import Checkpoint, load_checkpoint
from care_bench.training.pretrain import pretrain

Small = Callable[..., dict[str, Any]]

LARS = {"name": "lars", "learning_rate": 0.5, "trust_coefficient": 0.1}
CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "lars": (("simclr",), {"optimizer": LARS}),
    "moco_v2": (("moco_v2",), {}),
    "care-moco_v2": (("care", "moco_v2"), {}),
    "byol": (("byol",), {}),
    "byol-lars": (("byol",), {"optimizer": LARS}),
    "equimod": (("equimod",), {}),
    "equimod-byol": (("equimod", "byol"), {}),
    "augself": (("augself",), {}),
}


COMBINED = ("byol-lars", "equimod-byol")
"""Cases of which each part is in another case."""


@pytest.mark.parametrize("case", [pytest.param(name, marks=[pytest.mark.long] * (name in COMBINED)) for name in CASES])
def test_an_interrupted_run_ends_in_the_same_bits(
    case: str,
    tiny: Callable[..., RunConfig],
    small: Small,
    data: Path,
    tmp_path: Path,
    cut: Callable[[RunConfig, Path, int], RunFolder],
) -> None:
    """Checkpoints are at steps 3 and 6 of 7; runs are interrupted before the first, between both, and after one."""
    names, training = CASES[case]
    config = tiny(small(*names), **training)
    whole = pretrain(config, data, tmp_path / "whole")
    for step in (2, 5, 6):
        folder = cut(config, tmp_path / f"cut{step}", step)
        assert pretrain(config, data, folder.path).encoder.read_bytes() == whole.encoder.read_bytes()
        assert folder.log.read_bytes() == whole.log.read_bytes()
        assert json.loads(folder.summary.read_text())["resumed"] == (step > 3)


@pytest.mark.parametrize("kept", ["queue", "position", "momentum_encoder"])
def test_losing_a_part_of_the_state_changes_the_log(
    kept: str,
    tiny: Callable[..., RunConfig],
    small: Small,
    data: Path,
    tmp_path: Path,
    cut: Callable[[RunConfig, Path, int], RunFolder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A control of the test above: if one part of the state is reset, the log differs."""
    config = tiny(small("moco_v2"))
    whole = pretrain(config, data, tmp_path / "whole")
    cut(config, tmp_path / "run", 2)
    folder = cut(config, tmp_path / "run", 4)

    def forgetful(path: Path, config_sha256: str) -> Checkpoint:
        state = load_checkpoint(path, config_sha256)
        model = state.tensors["model"]
        for name, tensor in model.items():
            if name.startswith(f"method.{kept}"):
                model[name] = torch.zeros_like(tensor) + (0.1 if tensor.is_floating_point() else 0)
        return state

    monkeypatch.setattr("care_bench.training.session.load_checkpoint", forgetful)
    assert pretrain(config, data, folder.path).log.read_bytes() != whole.log.read_bytes()
