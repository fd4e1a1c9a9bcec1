"""Encoders kept during training: their epochs and bits, and the error if one is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from care_bench.config import RunConfig
from care_bench.data import load
from care_bench.errors import CareBenchError
from care_bench.files import sha256_file
from care_bench.runs.build import build_run_encoder
from care_bench.runs.folder import RunFolder
from care_bench.runs.weights import load_encoder_weights
from care_bench.training.pretrain import pretrain

Make = Callable[..., RunConfig]
Cut = Callable[[RunConfig, Path, int], RunFolder]

PER_EPOCH = 3
"""Steps per epoch: the digits have 1437 = 3 x 479 training samples."""


@pytest.fixture(scope="session")
def three_epochs(tiny: Make) -> Make:
    """A function that makes a run of three epochs of three steps, with a checkpoint every second step."""

    def make(**training: object) -> RunConfig:
        keys = {"batch_size": 479, "epochs": 3, "steps": None, "checkpoint_every": 2, "schedule": "constant"}
        return tiny({"name": "simclr"}, **{**keys, "snapshot_epochs": [1, 3], **training})

    return make


@pytest.fixture(scope="module")
def whole(three_epochs: Make, data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return pretrain(three_epochs(), data, tmp_path_factory.mktemp("whole") / "run")


def test_the_requested_epochs_are_kept_with_their_hashes(whole: RunFolder, three_epochs: Make) -> None:
    summary = whole.check(three_epochs())
    found = whole.snapshots(summary)
    assert found == {1: whole.snapshot(1), 3: whole.snapshot(3)}
    assert sorted(whole.snapshot(1).parent.iterdir()) == [whole.snapshot(1), whole.snapshot(3)]
    assert summary.snapshots == {"1": sha256_file(whole.snapshot(1)), "3": sha256_file(whole.snapshot(3))}


def test_the_snapshot_of_the_last_epoch_is_the_encoder_and_the_first_is_not(whole: RunFolder) -> None:
    assert whole.snapshot(3).read_bytes() == whole.encoder.read_bytes()
    assert whole.snapshot(1).read_bytes() != whole.encoder.read_bytes()


def test_a_snapshot_is_the_encoder_of_a_run_that_ends_there(
    whole: RunFolder, three_epochs: Make, data: Path, tmp_path: Path
) -> None:
    """With a constant learning rate, a shorter run is the beginning of a longer one."""
    short = pretrain(three_epochs(epochs=1, snapshot_epochs=[]), data, tmp_path / "run")
    expected, found = load_file(short.encoder), load_file(whole.snapshot(1))
    assert set(expected) == set(found)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_snapshot_is_loaded_like_the_encoder(whole: RunFolder, three_epochs: Make, data: Path) -> None:
    config = three_epochs()
    encoder = build_run_encoder(config, load("digits", data))
    load_encoder_weights(encoder, whole.snapshot(1), config.sha256())
    expected = load_file(whole.snapshot(1))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in encoder.state_dict().items())


@pytest.mark.parametrize("step", [2, 3, 4, 5, 7, 8])
def test_a_run_interrupted_between_snapshots_has_the_same_snapshots(
    step: int, whole: RunFolder, three_epochs: Make, data: Path, tmp_path: Path, cut: Cut
) -> None:
    """After step 3 there is a snapshot but no later checkpoint, which is due at step 4: the snapshot is taken again."""
    folder = cut(three_epochs(), tmp_path / "run", step)
    assert not folder.snapshot(1).exists(), "the folder has the files of an unfinished run"
    pretrain(three_epochs(), data, folder.path)
    for epoch in (1, 3):
        assert folder.snapshot(epoch).read_bytes() == whole.snapshot(epoch).read_bytes()
    assert json.loads(folder.summary.read_text())["snapshots"] == json.loads(whole.summary.read_text())["snapshots"]


@pytest.mark.parametrize(("steps", "epochs"), [(PER_EPOCH - 1, []), (PER_EPOCH, [1]), (2 * PER_EPOCH + 1, [1])])
def test_a_run_of_a_few_steps_has_the_snapshots_that_it_reaches(
    steps: int, epochs: list[int], three_epochs: Make, data: Path, tmp_path: Path
) -> None:
    folder = pretrain(three_epochs(steps=steps), data, tmp_path / "run")
    summary = folder.check(three_epochs(steps=steps))
    assert [int(epoch) for epoch in summary.snapshots] == epochs
    assert list(folder.snapshots(summary)) == epochs
    assert folder.snapshot(1).exists() == bool(epochs)


def test_a_snapshot_lost_before_the_run_has_finished_is_named_at_once(
    three_epochs: Make, data: Path, tmp_path: Path, cut: Cut
) -> None:
    config = three_epochs()
    folder = cut(config, tmp_path / "run", 5)
    lost = folder.state(config.sha256()) / "epoch1.safetensors"
    lost.unlink()
    log = lost.with_name("log.jsonl").read_bytes()
    with pytest.raises(CareBenchError, match=f"{lost} is missing, but its checkpoint needs it; delete {lost.parent}"):
        pretrain(config, data, folder.path)
    assert len(lost.with_name("log.jsonl").read_bytes()) <= len(log), "it must not train on"


@pytest.mark.parametrize("content", [b"", b"foreign"])
def test_a_snapshot_changed_before_the_run_has_finished_is_named(
    content: bytes, three_epochs: Make, data: Path, tmp_path: Path, cut: Cut
) -> None:
    config = three_epochs()
    folder = cut(config, tmp_path / "run", 5)
    changed = folder.state(config.sha256()) / "epoch1.safetensors"
    changed.write_bytes(content)
    with pytest.raises(CareBenchError, match=f"{changed} was changed: sha256 .*; delete {changed.parent} to start"):
        pretrain(config, data, folder.path)


@pytest.mark.parametrize(
    ("epochs", "message"),
    [
        ([3, 1], r"snapshot_epochs = \[3, 1\]; expected rising epochs"),
        ([1, 1], r"snapshot_epochs = \[1, 1\]; expected rising epochs"),
        ([1, 4], "snapshot_epochs ends with 4; expected at most 3 epochs"),
        ([0], "snapshot_epochs.0 = 0: "),
    ],
)
def test_unusable_epochs_are_refused(epochs: list[int], message: str, three_epochs: Make) -> None:
    with pytest.raises(CareBenchError, match=message) as caught:
        three_epochs(snapshot_epochs=epochs)
    assert "\n" not in str(caught.value)
