"""A workflow that is killed in its middle and started again ends in the same bits, and repeats no finished training."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from care_bench.artifacts import read_records
from tests.workflow.conftest import ROOT, TINY

PROFILE: dict[str, Any] = copy.deepcopy(TINY)
del PROFILE["steps"]
PROFILE["runs_per_job"] = 2
PROFILE["evaluation"]["samples"] = 32
PROFILE["datasets"]["digits"]["training"] = {"steps": 60, "batch_size": 64, "checkpoint_every": 10}
PROFILE["datasets"]["digits"]["methods"]["uniformity"] = {"name": "uniformity"}
RUNS = Path("results/runs/tiny/digits")


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start snakemake on the profile, as the leader of a process group of its own."""
    (folder / "profile.yaml").write_text(yaml.safe_dump(PROFILE, sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--configfile", "profile.yaml", "--directory", str(folder), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with (folder / "snakemake.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)


def finish(folder: Path) -> None:
    assert started(folder, "--unlock").wait() == 0
    assert started(folder, "--rerun-incomplete").wait() == 0, (folder / "snakemake.log").read_text()


def results(folder: Path) -> dict[str, object]:
    """Every file of weights as bytes, and every number with what it measures."""
    found: dict[str, object] = {}
    for run in sorted((folder / RUNS).glob("*/seed0")):
        found[f"{run.parent.name} weights"] = (run / "encoder.safetensors").read_bytes()
        found[f"{run.parent.name} log"] = (run / "log.jsonl").read_bytes()
        for record in read_records(run / "records.jsonl"):
            found[str(record.identity)] = (record.value, record.values, record.reason)
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert started(folder).wait() == 0, (folder / "snakemake.log").read_text()
    return results(folder)


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize(
    "moment",
    [
        "simclr/seed0/state-*/checkpoint.pt",
        "simclr/seed0/pretrain.json",
        "care/seed0/state-*/checkpoint.pt",
        "simclr/seed0/records.jsonl",
    ],
    ids=["first checkpoint", "first run", "second run's checkpoint", "first records"],
)
def test_killed_once_a_file_is_there(
    moment: str, number: signal.Signals, tmp_path: Path, undisturbed: dict[str, object]
) -> None:
    process = started(tmp_path)
    deadline = time.monotonic() + 120
    while not list((tmp_path / RUNS).glob(moment)):
        assert process.poll() is None, (tmp_path / "snakemake.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / RUNS).glob("*/seed0/encoder.safetensors")}
    finished = {path: when for path, when in finished.items() if path.with_name("pretrain.json").exists()}
    os.killpg(process.pid, number)
    process.wait()
    time.sleep(0.5)  # children of the group end on their own
    finish(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished, "a finished training was repeated"
    assert results(tmp_path) == undisturbed
