"""Processes of a run are started with their ranks, ended with the first one, and named when they are lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from care_bench.config import RunConfig
from care_bench.errors import CareBenchError
from care_bench.training import peers as module
from care_bench.training.peers import peers

from .conftest import Make

SLEEP = "import time; time.sleep(100)"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 1.0)
    for name in ("LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Codes with which the process would have ended on the spot."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    return codes


def children() -> set[psutil.Process]:
    return set(psutil.Process().children())


def fail(config: RunConfig, error: Exception, others: list[psutil.Process]) -> None:
    """Note which processes are there and meet with an error."""
    before = children()
    with peers(config):
        others += children() - before
        raise error


def command(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-S", "-c", code])


def test_every_process_knows_its_rank_and_where_to_meet(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "CARE_BENCH_PARENT")
    said = f"import os; open({str(tmp_path)!r} + '/' + os.environ['LOCAL_RANK'], 'w')"
    command(monkeypatch, f"{said}.write(' '.join(os.environ[name] for name in {names})); {SLEEP}")
    before, patience = children(), time.monotonic() + 60
    with peers(tiny(devices=4)):
        while len([path for path in tmp_path.iterdir() if path.stat().st_size]) < 3 and time.monotonic() < patience:
            time.sleep(0.01)
        here = [os.environ[name] for name in names[:3]]
        others = children() - before
    assert here[:2] == ["0", "127.0.0.1"]
    for rank in ("1", "2", "3"):
        assert (tmp_path / rank).read_text().split() == [rank, *here[1:], str(os.getpid())]
    assert not any(other.is_running() for other in others)
    assert not {"LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} & set(os.environ)


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("raise SystemExit(3)", r"failed with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", r"ended by signal 9 \(Killed\)"),
    ],
)
def test_a_lost_process_is_named_instead_of_what_came_of_it(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, code: str, how: str
) -> None:
    monkeypatch.setattr(module, "GRACE", 120.0)
    command(monkeypatch, f"import os; os.environ['LOCAL_RANK'] == '1' or __import__('time').sleep(100); {code}")
    line = rf"^run digits/row/seed0: process 1 \(PID \d+\) {how}, so the others stopped; the same command continues"
    others: list[psutil.Process] = []
    with pytest.raises(CareBenchError, match=line):
        fail(tiny(devices=4), RuntimeError("connection closed by peer"), others)
    assert len(others) == 3
    assert not any(other.is_running() for other in others)


@pytest.mark.parametrize("error", [ValueError("mine"), CareBenchError("mine")])
def test_a_fault_of_the_first_process_stays_its_own(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    command(monkeypatch, SLEEP)
    others: list[psutil.Process] = []
    with pytest.raises(type(error), match=r"^mine$"):
        fail(tiny(devices=2), error, others)
    assert len(others) == 1
    assert not others[0].is_running()


def test_a_process_that_waits_for_a_lost_one_is_ended_with_a_line(
    tiny: Make, exits: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    others = [subprocess.Popen([sys.executable, "-S", "-c", code]) for code in (SLEEP, "raise SystemExit(3)")]
    module._watch(tiny(devices=4), others, threading.Event())
    assert exits == [2]
    assert others[0].wait() == -signal.SIGKILL
    assert capsys.readouterr().err == (
        f"care-bench: run digits/row/seed0: process 2 (PID {others[1].pid}) failed with exit code 3, so the others "
        "stopped; the same command continues from the last checkpoint\n"
    )


def test_a_process_that_ends_by_itself_is_not_ended(
    tiny: Make, exits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", 60.0)
    lost, ended = subprocess.Popen([sys.executable, "-S", "-c", "raise SystemExit(3)"]), threading.Event()
    threading.Timer(0.8, ended.set).start()
    module._watch(tiny(devices=2), [lost], ended)
    assert exits == []


def test_a_further_process_goes_with_the_first_and_leaves_it_to_speak(
    tiny: Make, exits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARE_BENCH_PARENT", str(os.getpid()))  # not the parent of this process: that one is gone
    monkeypatch.setenv("LOCAL_RANK", "1")
    began = time.monotonic()
    with pytest.raises(ValueError, match="mine"), peers(tiny(devices=2)):
        raise ValueError("mine")
    assert time.monotonic() - began >= 1.0
    assert exits == [1]


def test_processes_of_another_launcher_are_left_to_it(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    before = children()
    with peers(tiny(devices=2)):
        assert children() == before
