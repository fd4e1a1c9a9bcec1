"""The process of a rank: it ends with its launcher, and reports the error that ended it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from care_bench.config import RunConfig
from care_bench.errors import CareBenchError
from care_bench.files import write_json
from care_bench.training import rank
from care_bench.training.interrupts import RunInterruptedError

from .conftest import Make

LAUNCHER = """
import json, os, subprocess, sys, time

with open(os.path.join(sys.argv[1], "job.json"), "w") as file:
    json.dump({"launcher": os.getpid(), "run": {}, "data": ".", "out": "."}, file)
print(subprocess.Popen([sys.executable, "-m", "care_bench.training.rank", sys.argv[1]]).pid, flush=True)
time.sleep(100)
"""


def test_a_rank_does_not_outlive_its_launcher(tmp_path: Path) -> None:
    folder = tmp_path / "care-bench"
    folder.mkdir()
    command = [sys.executable, "-S", "-c", LAUNCHER, str(folder)]
    launcher = subprocess.Popen(command, env={**os.environ, "RANK": "0"}, stdout=subprocess.PIPE)
    assert launcher.stdout is not None
    orphan = psutil.Process(int(launcher.stdout.readline()))
    launcher.kill()
    launcher.communicate()
    assert psutil.wait_procs([orphan], timeout=60)[1] == []
    assert not folder.exists()


@pytest.mark.parametrize(
    ("error", "report"),
    [
        (CareBenchError("no data"), {"message": "no data", "exit_code": 2}),
        (RunInterruptedError("stopped", signal.SIGTERM), {"message": "stopped", "exit_code": 143}),
        (ValueError("mine"), {"message": "ValueError: mine", "exit_code": 1}),
    ],
    ids=["CareBenchError", "RunInterruptedError", "ValueError"],
)
def test_a_rank_writes_the_error_that_ended_it_for_the_launcher(
    error: Exception, report: dict[str, Any], tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(devices=2)

    def train(run: RunConfig, data: Path, out: Path) -> None:
        assert (run, data, out) == (config, Path("data"), Path("out"))
        raise error

    for name in ("RANK", "TORCH_CPP_LOG_LEVEL"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(logging, "disable", lambda level: None)
    monkeypatch.setattr(rank, "_end_with", lambda launcher, folder: None)
    monkeypatch.setattr("care_bench.training.pretrain.pretrain", train)
    job = {"run": config.model_dump(mode="json"), "data": "data", "out": "out", "launcher": os.getpid()}
    write_json(tmp_path / "job.json", job)
    with pytest.raises(SystemExit) as ended:
        rank.main(tmp_path)
    assert ended.value.code == report["exit_code"]
    assert json.loads((tmp_path / "rank1.json").read_text()) == report
