"""A run in channels_last: its images lie so, and its numbers are those of a contiguous run to rounding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from care_bench.config import RunConfig
from care_bench.data import PreparedDataset
from care_bench.errors import CareBenchError
from care_bench.runs.folder import RunFolder
from care_bench.training.pretrain import train_step
from care_bench.training.session import Session
from tests.trained import TRAINED
from tests.wiring.conftest import Make

Method = Callable[..., dict[str, Any]]
ADAM = {"name": "adam", "learning_rate": 0.01, "weight_decay": 0.1}


@pytest.fixture
def images_seen(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether what came out of each convolution lay in channels_last, of several channels and pixels."""
    seen: list[bool] = []
    forward = nn.Conv2d.forward

    def noting(self: nn.Conv2d, images: Tensor) -> Tensor:
        found = forward(self, images)
        if min(found.shape[1:]) > 1:
            seen.append(found.is_contiguous(memory_format=torch.channels_last))
        return found

    monkeypatch.setattr(nn.Conv2d, "forward", noting)
    return seen


@pytest.mark.parametrize("name", sorted(TRAINED))
def test_numbers_are_those_of_a_contiguous_run(
    name: str, method: Method, run: Make, images: PreparedDataset, images_seen: list[bool], tmp_path: Path
) -> None:
    found: dict[str, dict[str, Tensor]] = {}
    for memory_format in ("contiguous", "channels_last"):
        images_seen.clear()
        config = run(method(name), memory_format=memory_format)
        found[memory_format] = _state_after(2, config, images, RunFolder(tmp_path / memory_format))["model"]
        assert images_seen
        assert set(images_seen) == {memory_format == "channels_last"}
    assert found["contiguous"].keys() == found["channels_last"].keys()
    for key, expected in found["contiguous"].items():
        torch.testing.assert_close(found["channels_last"][key], expected, rtol=1e-4, atol=1e-5, msg=key)


def test_a_continued_run_ends_in_the_same_bits(run: Make, images: PreparedDataset, tmp_path: Path) -> None:
    config = run({"name": "moco_v2", "queue": 32}, optimizer=ADAM, memory_format="channels_last")
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    expected = _state_after(4, config, images, whole)
    _state_after(2, config, images, parts)
    found = _state_after(4, config, images, parts)
    assert str(found) == str(expected)
    assert all(torch.equal(one, other) for one, other in zip(_tensors(found), _tensors(expected), strict=True))


def _state_after(steps: int, config: RunConfig, images: PreparedDataset, folder: RunFolder) -> dict[str, Any]:
    """Open a run, train it up to a step, save it, and return the state of model and optimizer."""
    session = Session.open(config, images, folder)
    with session.log:
        session.model.train()
        while session.step < steps:
            train_step(session)
        session.save()
    return {"model": session.module.state_dict(), "optimizer": session.optimizer.state_dict()["state"]}


def _tensors(state: Any) -> list[Tensor]:
    if isinstance(state, dict):
        return [tensor for value in state.values() for tensor in _tensors(value)]
    return [state] if isinstance(state, Tensor) else []


def test_point_clouds_have_no_channels_last(run: Make) -> None:
    with pytest.raises(CareBenchError, match=r"is for images, and backbone 'deepset' takes 'point_cloud'; expected"):
        run({"name": "simclr"}, dataset="proteins", memory_format="channels_last")
