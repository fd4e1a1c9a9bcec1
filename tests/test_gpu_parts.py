"""The parts of the benchmark of a GPU: their order, their time, and what counts as done."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import typer

from benchmarks.gpu import __main__ as script
from benchmarks.gpu import commands, repeats, steps
from benchmarks.gpu.found import Found
from benchmarks.gpu.limit import Limit, OutOfTimeError
from benchmarks.runs import run
from care_bench.runs.summary import Summary

LIMIT = Limit.after(60)


class Part:
    """Finds two things; the second may end the time, or fail."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.__name__ = f"parts.{name}"
        self.error = error

    def measure(self, toy: bool, limit: Limit) -> Iterator[Found]:
        limit.left()
        yield Found("first", 1.0, "")
        if self.error:
            raise self.error
        yield Found("second", 1.0, "", "1", True)


def called(parts: tuple[Part, ...], out: Path, monkeypatch: pytest.MonkeyPatch, minutes: float) -> tuple[int, Any]:
    monkeypatch.setattr(script, "PARTS", parts)
    with pytest.raises(typer.Exit) as end:
        script.main(out, toy=True, minutes=minutes)
    return end.value.exit_code, json.loads(out.read_text())["found"]


def test_steps_are_measured_before_all_else() -> None:
    assert script.PARTS[0] is steps


def test_parts_for_which_no_time_is_left_are_told_and_are_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = called((Part("one"), Part("other")), tmp_path / "found.json", monkeypatch, 0)
    assert code == 3
    assert [(row["name"], row["met"]) for row in found] == [("one: the rest", False), ("other: the rest", False)]
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}: the rest: - (MISSED); not done within 0 minutes" for name in ("one", "other")]
    assert "2 missed (2 of them parts that were not done to their end: one, other)" in last


def test_a_part_that_runs_out_of_time_keeps_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = (Part("slow", OutOfTimeError("not done within 60 minutes")), Part("whole"))
    code, found = called(parts, tmp_path / "found.json", monkeypatch, 60)
    assert code == 3
    assert [row["name"] for row in found] == ["first", "slow: the rest", "first", "second"]


@pytest.mark.parametrize(("error", "expected"), [(None, 0), (RuntimeError("broken"), 1)])
def test_a_part_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None, expected: int
) -> None:
    code, found = called((Part("one", error), Part("other")), tmp_path / "found.json", monkeypatch, 60)
    assert code == expected
    rest = [("one: the rest", False, "RuntimeError: broken")] if error else [("second", True, "")]
    assert [(row["name"], row["met"], row["note"]) for row in found[1:2]] == rest
    assert [row["name"] for row in found[2:]] == ["first", "second"]


def child(code: str) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def test_a_command_is_killed_when_no_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object, hidden: bool) -> subprocess.Popen[str]:
        started.append(child("import time; time.sleep(60)"))
        return started[-1]

    monkeypatch.setattr(commands, "start", start)
    began = time.monotonic()
    with pytest.raises(OutOfTimeError, match=r"not done within 0\.01 minutes"):
        commands.care_bench("pretrain", limit=Limit.after(0.01))
    assert time.monotonic() - began < 30
    assert started[0].returncode == -9
    with pytest.raises(OutOfTimeError):
        commands.care_bench("pretrain", limit=Limit.after(0))
    assert len(started) == 1


WAITING = "import pathlib, time; out = pathlib.Path({out!r}); out.mkdir(parents=True); "
WITH_CHECKPOINT = "(out / 'state-1').mkdir(); (out / 'state-1/checkpoint.pt').touch(); time.sleep(60)"


def killed(folder: Path, code: str, resumed: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the hash of weights of a run that was killed, whose first process does what ``code`` says."""
    config = run("tinted_digits", "tinted_digits", "simclr")
    out = folder / config.variant / "killed"
    monkeypatch.setattr(repeats, "start", lambda *arguments: child(WAITING.format(out=str(out)) + code))
    monkeypatch.setattr(Summary, "read", lambda path: SimpleNamespace(resumed=resumed))
    monkeypatch.setattr(
        repeats, "care_bench", lambda *arguments, limit: (out / "encoder.safetensors").write_bytes(b"weights")
    )
    return repeats._weights(folder, config, "killed", LIMIT)


def test_a_run_that_was_killed_and_continued_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(killed(tmp_path, WITH_CHECKPOINT, 1, monkeypatch)) == 64


@pytest.mark.parametrize(
    ("code", "resumed", "message"),
    [
        (WITH_CHECKPOINT, 0, "was continued 0 times, expected 1"),
        ("raise SystemExit(2)", 1, "ended by itself"),
        ("import os; os.kill(os.getpid(), 9)", 1, "ended by itself"),
        ("time.sleep(60)", 1, "no checkpoint within 0.5 seconds"),
    ],
    ids=["from scratch", "failed", "killed by another", "too slow"],
)
def test_a_run_that_was_not_killed_or_not_continued_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, resumed: int, message: str
) -> None:
    monkeypatch.setattr(repeats, "PATIENCE", 0.5 if "within" in message else 60.0)
    with pytest.raises(RuntimeError, match=message):
        killed(tmp_path, code, resumed, monkeypatch)


def test_the_wait_for_a_checkpoint_ends_with_the_time(tmp_path: Path) -> None:
    process = child("import time; time.sleep(60)")
    with pytest.raises(OutOfTimeError):
        repeats._kill(process, tmp_path, Limit.after(0))
    assert process.returncode == -9


@pytest.mark.parametrize("size", steps.TOY, ids=lambda size: "mapped" if size.mapped else "resident")
def test_images_are_kept_on_the_device_or_read_from_a_memory_map(size: steps.Size, tmp_path: Path) -> None:
    session = steps.opened(size, size.config("simclr", {}), tmp_path)
    with session.log:
        assert isinstance(session.batches.inputs, np.memmap) == size.mapped
        assert (session.batches._resident is None) == size.mapped


@pytest.mark.parametrize("waited", [False, True])
def test_a_batch_is_taken_while_the_device_is_busy(waited: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    event = SimpleNamespace(record=lambda: done.append("record"), query=lambda: done.append("query") or waited)
    batches = SimpleNamespace(rows=lambda step: step, take=lambda rows: done.append("take"))
    session: Any = SimpleNamespace(fabric=SimpleNamespace(device=torch.device("cuda")), batches=batches, step=0)
    monkeypatch.setattr(torch.cuda, "Event", lambda: event)
    for name in ("synchronize", "_sleep"):
        monkeypatch.setattr(torch.cuda, name, lambda *cycles, name=name: done.append(name))
    assert steps._batch_waits("run", session).met is not waited
    assert done == ["synchronize", "_sleep", "record", "take", "query", "synchronize"]
