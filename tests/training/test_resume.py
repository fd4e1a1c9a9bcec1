"""A run that is interrupted and started again ends in the same bits as an uninterrupted one."""

from __future__ import annotations

import io
import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from care_bench.config import RunConfig
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes
from care_bench.runs.folder import RunFolder
from care_bench.training import pretrain as module
from care_bench.training.checkpoint import MAGIC
from care_bench.training.interrupts import RunInterruptedError
from care_bench.training.pretrain import pretrain
from tests.forks import Ended, run_forked

Make = Callable[..., RunConfig]
Killed = Callable[[Path, Path, int, str], Ended]
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
def killed(data: Path, tmp_path: Path) -> Killed:
    """A function that trains a run in a separate process, which sends itself a signal after a step."""
    (tmp_path / "killed.py").write_text(KILLED)

    def train(config: Path, out: Path, step: int, name: str) -> Ended:
        return run_forked("killed", config, data, out, step, name, cwd=tmp_path)

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
    with pytest.raises(CareBenchError, match="is not a checkpoint of this version of care_bench"):
        pretrain(tiny(), data, tmp_path / "run")


def test_a_checkpoint_that_would_run_code_is_refused(tiny: Make, data: Path, tmp_path: Path, checkpoint: Path) -> None:
    hostile = io.BytesIO()
    torch.save({"config_sha256": Path("code")}, hostile)
    digest = sha256_bytes(hostile.getvalue()).encode()
    checkpoint.write_bytes(MAGIC + digest + b"\n" + hostile.getvalue())
    with pytest.raises(CareBenchError, match="is damaged: it holds more than tensors and plain values; delete"):
        pretrain(tiny(), data, tmp_path / "run")


def drop(state: dict[str, Any], part: str, key: str) -> None:
    del (state[part] if part else state)[key]


FOREIGN: dict[str, Callable[[dict[str, Any]], object]] = {
    "no progress": lambda state: drop(state, "", "progress"),
    "no model": lambda state: drop(state, "", "model"),
    "no optimizer": lambda state: drop(state, "", "optimizer"),
    "no precision": lambda state: drop(state, "", "precision"),
    "no step": lambda state: drop(state, "progress", "step"),
    "step is a string": lambda state: state["progress"].update(step="3"),
    "step after the end": lambda state: state["progress"].update(step=8),
    "seconds are not a number": lambda state: state["progress"].update(seconds=math.nan),
    "progress is a list": lambda state: state.update(progress=[1]),
    "an unknown snapshot": lambda state: state["progress"].update(snapshots={"1": "a" * 64}),
    "model is a tensor": lambda state: state.update(model=torch.zeros(3)),
    "a weight is missing": lambda state: state["model"].popitem(),
    "a weight is a string": lambda state: state["model"].update({next(iter(state["model"])): "x"}),
    "a weight of another shape": lambda state: state["model"].update({next(iter(state["model"])): torch.zeros(2)}),
    "optimizer is None": lambda state: state.update(optimizer=None),
    "moments of another shape": lambda state: state["optimizer"]["state"][0].update(exp_avg=torch.zeros(2)),
    "another weight decay": lambda state: state["optimizer"]["param_groups"][0].update(weight_decay=0.5),
    "no groups": lambda state: state["optimizer"].update(param_groups=[]),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_checkpoint_with_the_right_hash_and_foreign_content_is_named(
    name: str, tiny: Make, data: Path, tmp_path: Path, checkpoint: Path
) -> None:
    state = torch.load(io.BytesIO(checkpoint.read_bytes().partition(b"\n")[2]), weights_only=True)
    FOREIGN[name](state)
    content = io.BytesIO()
    torch.save(state, content)
    checkpoint.write_bytes(MAGIC + sha256_bytes(content.getvalue()).encode() + b"\n" + content.getvalue())
    before = {path: path.read_bytes() for path in checkpoint.parent.iterdir()}
    with pytest.raises(CareBenchError, match=f"{checkpoint}.*; delete {checkpoint.parent} to start") as caught:
        pretrain(tiny(), data, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert before[checkpoint] == checkpoint.read_bytes()


def test_a_checkpoint_that_is_a_named_pipe_is_named(tiny: Make, data: Path, tmp_path: Path, checkpoint: Path) -> None:
    checkpoint.unlink()
    os.mkfifo(checkpoint)
    with pytest.raises(CareBenchError, match=f"cannot read {checkpoint}: it is not a regular file; delete"):
        pretrain(tiny(), data, tmp_path / "run")


def test_a_log_that_was_changed_is_named_and_what_follows_the_checkpoint_is_cut(
    tiny: Make, data: Path, tmp_path: Path, checkpoint: Path, whole: tuple[bytes, bytes]
) -> None:
    log = checkpoint.with_name("log.jsonl")
    content = log.read_bytes()
    for changed in (content.replace(b"1", b"2", 1), content.replace(b"1", b"2", 1) + b"more"):
        log.write_bytes(changed)
        with pytest.raises(CareBenchError, match=f"{log} was changed: .*; delete {log.parent} to start"):
            pretrain(tiny(), data, tmp_path / "run")
    log.write_bytes(content + b"a line that was not whole")
    assert bits(pretrain(tiny(), data, tmp_path / "run")) == whole


def test_the_log_and_the_state_are_checked_again_before_the_run_is_certified(
    tiny: Make, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.train_step

    def meddled(session: Any) -> None:
        real(session)
        if session.step == 5:
            session.log.path.write_bytes(session.log.path.read_bytes().replace(b"1", b"2", 1))

    monkeypatch.setattr(module, "train_step", meddled)
    with pytest.raises(CareBenchError, match=r"log\.jsonl was changed by another process"):
        pretrain(tiny(), data, tmp_path / "run")
    assert not RunFolder(tmp_path / "run").summary.exists()


def test_too_many_threads_for_the_machine_are_refused(tiny: Make, data: Path, tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match=r"training\.threads = 1024, and this machine offers \d+ cores; expected"):
        pretrain(tiny(threads=1024), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_signal_during_the_last_step_ends_the_command_with_a_finished_run(
    tiny: Make, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.train_step

    def signalled(session: Any) -> None:
        real(session)
        if session.step == session.total:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(module, "train_step", signalled)
    with pytest.raises(RunInterruptedError, match="was at its end when SIGTERM came; it is finished") as caught:
        pretrain(tiny(), data, tmp_path / "run")
    assert caught.value.exit_code == 143
    RunFolder(tmp_path / "run").check(tiny())


def test_a_log_that_is_shorter_than_its_checkpoint_says_is_named(
    tiny: Make, data: Path, tmp_path: Path, checkpoint: Path
) -> None:
    log = checkpoint.with_name("log.jsonl")
    log.write_bytes(log.read_bytes()[:100])
    with pytest.raises(CareBenchError, match=f"{log} has 100 bytes, but its checkpoint needs"):
        pretrain(tiny(), data, tmp_path / "run")


def test_two_processes_do_not_share_a_run(tiny: Make, data: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.lock(), pytest.raises(CareBenchError, match=" is working on "):
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
