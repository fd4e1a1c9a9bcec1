"""A run that is interrupted and started again ends in the same bits as an uninterrupted one."""

from __future__ import annotations

import io
import json
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from care_bench.config import RunConfig
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes
from care_bench.runs.folder import RunFolder
from care_bench.training.checkpoint import MAGIC
from care_bench.training.pretrain import pretrain

Make = Callable[..., RunConfig]
Killed = Callable[[Path, Path, int, str], "subprocess.CompletedProcess[str]"]
Cut = Callable[[RunConfig, Path, int], RunFolder]


def bits(folder: RunFolder) -> tuple[bytes, bytes]:
    return folder.encoder.read_bytes(), folder.log.read_bytes()


@pytest.fixture(scope="module")
def whole(tiny: Make, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    return bits(pretrain(tiny(), data, tmp_path_factory.mktemp("whole") / "run"))


@pytest.mark.parametrize("step", range(1, 7))
def test_a_run_interrupted_after_any_step_ends_in_the_same_bits(
    step: int, tiny: Make, data: Path, tmp_path: Path, whole: tuple[bytes, bytes], cut: Cut
) -> None:
    cut(tiny(), tmp_path / "run", step)
    assert not (tmp_path / "run" / "encoder.safetensors").exists()
    folder = pretrain(tiny(), data, tmp_path / "run")
    assert bits(folder) == whole
    assert json.loads(folder.summary.read_text())["resumed"] == (1 if step > 3 else 0)
    assert not list(folder.path.glob("state-*")), "a finished run must not leave its state behind"


KILLED = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from care_bench.config import read_run
from care_bench.training import pretrain as module

@contextmanager
def progress(title, start, total, batch_size):
    yield lambda step, loss: step == int(sys.argv[4]) and os.kill(os.getpid(), signal.Signals[sys.argv[5]])

module.training_progress = progress
module.pretrain(read_run(Path(sys.argv[1]), None), Path(sys.argv[2]), Path(sys.argv[3]))
"""


@pytest.fixture
def killed(environment: dict[str, str], data: Path) -> Killed:
    """A function that trains a run in a separate process, which sends itself a signal after a step."""

    def train(config: Path, out: Path, step: int, name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED, str(config), str(data), str(out), str(step), name]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    return train


def test_a_run_killed_by_sigkill_ends_in_the_same_bits(
    tiny: Make, data: Path, tmp_path: Path, whole: tuple[bytes, bytes], killed: Killed
) -> None:
    config = tmp_path / "config.json"
    config.write_text(tiny().model_dump_json())
    assert killed(config, tmp_path / "run", 5, "SIGKILL").returncode == -signal.SIGKILL
    assert bits(pretrain(tiny(), data, tmp_path / "run")) == whole


def test_sigterm_saves_the_state_after_the_step(
    tiny: Make, data: Path, tmp_path: Path, whole: tuple[bytes, bytes], killed: Killed
) -> None:
    config = tmp_path / "config.json"
    # No checkpoint is due before the end, so a checkpoint must have been saved because of the signal.
    run = tiny(checkpoint_every=1000)
    config.write_text(run.model_dump_json())
    ended = killed(config, tmp_path / "run", 4, "SIGTERM")
    assert "stopped by SIGTERM after step 4 of 7" in ended.stderr
    folder = RunFolder(tmp_path / "run")
    assert len((folder.state(run.sha256()) / "log.jsonl").read_text().splitlines()) == 4
    resumed = pretrain(run, data, folder.path)
    assert json.loads(resumed.summary.read_text())["resumed"] == 1
    # The checkpoint interval is part of the config, so the metadata of the encoder differ; the log is the same.
    assert resumed.log.read_bytes() == whole[1]


def test_signal_handlers_are_restored(tiny: Make, data: Path, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    pretrain(tiny(), data, tmp_path / "run")
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.fixture
def checkpoint(tiny: Make, tmp_path: Path, cut: Cut) -> Path:
    """The checkpoint of step 3 of a run that was interrupted after step 4."""
    return cut(tiny(), tmp_path / "run", 4).state(tiny().sha256()) / "checkpoint.pt"


def test_a_truncated_or_changed_checkpoint_is_named(tiny: Make, data: Path, tmp_path: Path, checkpoint: Path) -> None:
    whole_file = checkpoint.read_bytes()
    middle = len(whole_file) // 2
    flipped = whole_file[:middle] + bytes([whole_file[middle] ^ 1]) + whole_file[middle + 1 :]
    for damaged in (b"", whole_file[:100], whole_file[:middle], whole_file[:-1], flipped):
        checkpoint.write_bytes(damaged)
        with pytest.raises(CareBenchError, match=f"{checkpoint} is ") as caught:
            pretrain(tiny(), data, tmp_path / "run")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2]])
def test_a_foreign_checkpoint_is_named(
    content: object, tiny: Make, data: Path, tmp_path: Path, checkpoint: Path
) -> None:
    torch.save(content, checkpoint)
    with pytest.raises(CareBenchError, match="is not a checkpoint of care_bench"):
        pretrain(tiny(), data, tmp_path / "run")


def test_a_checkpoint_that_would_run_code_is_refused(tiny: Make, data: Path, tmp_path: Path, checkpoint: Path) -> None:
    hostile = io.BytesIO()
    torch.save({"config_sha256": Path("code")}, hostile)
    digest = sha256_bytes(hostile.getvalue()).encode()
    checkpoint.write_bytes(MAGIC + digest + b"\n" + hostile.getvalue())
    with pytest.raises(pickle.UnpicklingError, match="weights_only"):
        pretrain(tiny(), data, tmp_path / "run")


def test_a_log_that_is_shorter_than_its_checkpoint_says_is_named(
    tiny: Make, data: Path, tmp_path: Path, checkpoint: Path
) -> None:
    log = checkpoint.with_name("log.jsonl")
    log.write_bytes(log.read_bytes()[:100])
    with pytest.raises(CareBenchError, match=f"{log} has 100 bytes, but its checkpoint needs"):
        pretrain(tiny(), data, tmp_path / "run")


def test_two_processes_do_not_share_a_run(tiny: Make, data: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.lock(), pytest.raises(CareBenchError, match="another process is working on"):
        pretrain(tiny(), data, folder.path)
    pretrain(tiny(), data, folder.path)


def test_a_failed_start_does_not_claim_the_folder(tiny: Make, data: Path, tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match="exceeds the 1437 training samples"):
        pretrain(tiny(batch_size=4096), data, tmp_path / "run")
    pretrain(tiny(), data, tmp_path / "run")


def test_a_checkpoint_of_another_config_is_named(tiny: Make, data: Path, tmp_path: Path, checkpoint: Path) -> None:
    other = tiny(seed=1)
    place = RunFolder(tmp_path / "other").state(other.sha256()) / "checkpoint.pt"
    place.parent.mkdir(parents=True)
    place.write_bytes(checkpoint.read_bytes())
    with pytest.raises(CareBenchError, match=f"belongs to config {tiny().sha256()[:12]}, this run has config"):
        pretrain(other, data, tmp_path / "other")


def test_a_folder_of_another_config_is_not_changed(tiny: Make, data: Path, tmp_path: Path) -> None:
    folder = pretrain(tiny(), data, tmp_path / "run")
    before = bits(folder)
    with pytest.raises(CareBenchError, match="holds a run of config"):
        pretrain(tiny(seed=1), data, tmp_path / "run")
    assert bits(folder) == before


def test_a_finished_run_is_not_repeated(tiny: Make, data: Path, tmp_path: Path) -> None:
    folder = pretrain(tiny(), data, tmp_path / "run")
    written = folder.summary.stat().st_mtime_ns
    pretrain(tiny(), data, tmp_path / "run")
    assert folder.summary.stat().st_mtime_ns == written
    folder.encoder.write_bytes(folder.encoder.read_bytes()[:-1])
    with pytest.raises(CareBenchError, match="is truncated or changed"):
        pretrain(tiny(), data, tmp_path / "run")
