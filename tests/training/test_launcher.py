"""Ranks are started and stopped, a lost rank is named, none is left behind, and a continued run has the same bits."""

from __future__ import annotations

import os
import re
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from torch.distributed.elastic.multiprocessing import SignalException

from care_bench.config import RunConfig
from care_bench.errors import CareBenchError
from care_bench.files import write_json
from care_bench.runs.folder import RunFolder
from care_bench.training import launcher
from care_bench.training.interrupts import RunInterruptedError, handle_stop_signals
from care_bench.training.pretrain import pretrain

from .conftest import Make

RUN = "digits/tiny/seed0"


@pytest.fixture(scope="module")
def config(tiny: Make) -> RunConfig:
    return tiny({"name": "moco_v2", "queue": 128}, steps=100, epochs=4, devices=2, checkpoint_every=10)


@pytest.fixture
def leftovers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Check that a launch leaves nothing behind: no process, file, environment variable or signal handler."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    variables = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    yield
    assert ranks_of(os.getpid()) == {}
    assert list(tmp_path.glob("care-bench-*")) == []
    assert {name: os.environ.get(name) for name in {*variables, *os.environ} - {"PYTEST_CURRENT_TEST"}} == variables
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] == handlers


def ranks_of(parent: int) -> dict[int, psutil.Process]:
    """Return the rank processes that a process has started."""
    children = [child for child in psutil.Process(parent).children() if child.status() != psutil.STATUS_ZOMBIE]
    return {int(child.environ()["RANK"]): child for child in children if "RANK" in child.environ()}


@contextmanager
def after_a_checkpoint(config: RunConfig, folder: RunFolder, act: Callable[[], object]) -> Iterator[None]:
    """Call a function as soon as a run has saved its next checkpoint."""
    ended = threading.Event()
    known = checkpoint_time(config, folder)

    def watch() -> None:
        while not ended.wait(0.005):
            if checkpoint_time(config, folder) != known:
                act()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def checkpoint_time(config: RunConfig, folder: RunFolder) -> int | None:
    try:
        return (folder.state(config.sha256()) / "checkpoint.pt").stat().st_mtime_ns
    except FileNotFoundError:
        return None


@pytest.mark.faults
@pytest.mark.usefixtures("leftovers")
def test_a_killed_and_stopped_run_ends_in_the_same_bits(
    config: RunConfig, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = pretrain(config, data, tmp_path / "whole")
    folder = RunFolder(tmp_path / "cut")

    lost: list[int] = []

    def kill_a_rank() -> None:
        rank = ranks_of(os.getpid())[1]
        lost.append(rank.pid)
        rank.kill()

    with after_a_checkpoint(config, folder, kill_a_rank), pytest.raises(CareBenchError) as killed:
        pretrain(config, data, folder.path)
    assert type(killed.value) is CareBenchError
    assert str(killed.value) == (
        f"run {RUN}: rank 1 (PID {lost[0]}) was killed by SIGKILL, and the other ranks were stopped; the same command "
        "continues from the last checkpoint"
    )

    stop = lambda: os.kill(os.getpid(), signal.SIGTERM)  # noqa: E731
    with after_a_checkpoint(config, folder, stop), pytest.raises(RunInterruptedError) as stopped:
        pretrain(config, data, folder.path)
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    assert re.fullmatch(
        rf"{RUN} stopped by SIGTERM after step \d0 of 100; its state is saved, the same command continues it",
        str(stopped.value),
    )
    noise = [line for line in capfd.readouterr().err.splitlines() if not line.startswith(f"{RUN}: step ")]
    assert noise == []

    assert pretrain(config, data, folder.path).encoder.read_bytes() == whole.encoder.read_bytes()
    assert folder.log.read_bytes() == whole.log.read_bytes()


@pytest.mark.long
@pytest.mark.usefixtures("leftovers")
def test_a_rank_that_cannot_start_says_why_once(
    config: RunConfig, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "run")
    with (
        folder.lock(),
        pytest.raises(CareBenchError, match=f"^process .* is working on {folder.path}; expected"),
    ):
        pretrain(config, data, folder.path)
    assert capfd.readouterr().err == ""
    assert list(folder.path.iterdir()) == []


def failures(*ended: tuple[int, int]) -> Mapping[int, Any]:
    """Return failures of the ranks 0, 1, ... with these exit codes and times."""
    return {
        rank: SimpleNamespace(
            pid=100 + rank, exitcode=code, timestamp=seconds, signal_name=lambda code=code: signal.Signals(-code).name
        )
        for rank, (code, seconds) in enumerate(ended)
    }


@pytest.mark.parametrize(
    ("ended", "line"),
    [
        pytest.param(
            [(1, 50), (-9, 50)], r"rank 1 \(PID 101\) was killed by SIGKILL,", id="killed, and its peer failed"
        ),
        pytest.param([(1, 50), (-9, 51)], r"rank 1 \(PID 101\) was killed by SIGKILL,", id="killed, noticed after it"),
        pytest.param(
            [(-9, 80), (1, 50)], r"rank 1 \(PID 101\) failed with exit code 1 \(E: x\)", id="peer was hanging"
        ),
        pytest.param([(-15, 50), (3, 50)], r"rank 1 \(PID 101\) failed with exit code 3,", id="its peer was stopped"),
        pytest.param([(-6, 50), (-11, 50)], r"rank 1 \(PID 101\) was killed by SIGSEGV,", id="crashed, peer gave up"),
    ],
)
def test_the_rank_that_caused_the_failure_is_named(
    ended: list[tuple[int, int]], line: str, config: RunConfig, tmp_path: Path
) -> None:
    if ended[1][0] == 1:
        write_json(tmp_path / "rank1.json", {"message": "E: x", "exit_code": 1})
    assert re.match(f"run {RUN}: {line}", str(launcher._lost(config, failures(*ended), tmp_path)))


def test_the_launcher_raises_the_error_of_a_rank(tmp_path: Path) -> None:
    assert launcher._reported(tmp_path) is None
    write_json(tmp_path / "rank0.json", {"message": "RuntimeError: connection closed by peer", "exit_code": 1})
    assert launcher._reported(tmp_path) is None
    write_json(tmp_path / "rank1.json", {"message": "step 3: loss is nan", "exit_code": 2})
    found = launcher._reported(tmp_path)
    assert (type(found), str(found)) == (CareBenchError, "step 3: loss is nan")
    write_json(tmp_path / "rank0.json", {"message": "stopped", "exit_code": 130})
    found = launcher._reported(tmp_path)
    assert isinstance(found, RunInterruptedError)
    assert (str(found), found.exit_code) == ("stopped", 130)


def test_the_ranks_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for rank in (10, 2):
        write_json(tmp_path / f"rank{rank}.json", {"message": f"rank {rank}", "exit_code": 2})
    assert str(launcher._reported(tmp_path)) == "rank 2"


def test_a_second_signal_does_not_interrupt_the_shutdown() -> None:
    before = signal.getsignal(signal.SIGINT)
    with handle_stop_signals(launcher._stop_once):
        with pytest.raises(SignalException) as stop:
            signal.raise_signal(signal.SIGINT)
        assert stop.value.sigval == signal.SIGINT
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before
