"""A killed workflow goes on with the same command, ends in the same bits, and repeats no finished training."""

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
from tests.faults.conftest import HELD, SILENT, TRACEBACK, Counting
from tests.workflow.conftest import ROOT, TINY

PROFILE: dict[str, Any] = copy.deepcopy(TINY)
del PROFILE["steps"]
PROFILE["runs_per_job"] = 2
PROFILE["evaluation"]["samples"] = 32
PROFILE["datasets"]["digits"]["training"] = {"steps": 60, "batch_size": 64, "checkpoint_every": 10}
PROFILE["datasets"]["digits"]["methods"]["uniformity"] = {"name": "uniformity"}
RUNS = "results/runs/tiny/digits"

KILLS = {
    "locked": (".snakemake/locks/*.lock", signal.SIGKILL, True),
    "data prepared": ("results/data/digits/meta.json", signal.SIGTERM, True),
    "job configured": ("results/jobs/tiny/digits/*/runs.json", signal.SIGINT, True),
    "run begun": (f"{RUNS}/simclr/seed0/config.json", signal.SIGKILL, False),
    "first checkpoint": (f"{RUNS}/simclr/seed0/state-*/checkpoint.pt", signal.SIGTERM, False),
    "first run": (f"{RUNS}/simclr/seed0/pretrain.json", signal.SIGINT, False),
    "checkpoint of the second run": (f"{RUNS}/care/seed0/state-*/checkpoint.pt", signal.SIGKILL, True),
    "second run": (f"{RUNS}/care/seed0/pretrain.json", signal.SIGKILL, False),
    "checkpoint of the third run": (f"{RUNS}/uniformity/seed0/state-*/checkpoint.pt", signal.SIGTERM, False),
    "first records": (f"{RUNS}/simclr/seed0/records.jsonl", signal.SIGINT, False),
    "first evaluation": (f"{RUNS}/simclr/seed0/evaluate.json", signal.SIGKILL, True),
    "last evaluation": (f"{RUNS}/uniformity/seed0/evaluate.json", signal.SIGTERM, True),
    "collected": ("results/collected/tiny/MANIFEST.json", signal.SIGKILL, False),
    "reported": ("results/report/tiny/report.csv", signal.SIGINT, True),
}
"""Once the file is there, the signal is sent: to the whole process group, or to snakemake alone."""


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start snakemake on the profile, as the leader of a process group of its own."""
    (folder / "profile.yaml").write_text(yaml.safe_dump(PROFILE, sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--configfile", "profile.yaml", "--directory", str(folder), *arguments]
    with (folder / "snakemake.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)


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
@pytest.mark.parametrize("moment", KILLS)
def test_killed_once_a_file_is_there(
    moment: str, counting: Counting, tmp_path: Path, undisturbed: dict[str, object]
) -> None:
    file, number, group = KILLS[moment]
    process = started(tmp_path)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(file)):
        assert process.poll() is None, (tmp_path / "snakemake.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / RUNS).glob("*/seed0/encoder.safetensors")}
    finished = {path: when for path, when in finished.items() if path.with_name("pretrain.json").exists()}
    if group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)  # its jobs may go on as orphans
    process.wait()
    with counting("killed workflows") as outcomes:
        what = f"{number.name} of {'the group' if group else 'snakemake alone'}, {moment}"
        (tmp_path / "snakemake.log").unlink()
        code = started(tmp_path).wait()
        repeated = [path for path, when in finished.items() if path.stat().st_mtime_ns != when]
        said = (tmp_path / "snakemake.log").read_text()
        if code != 0:
            outcomes.add(TRACEBACK, f"{what}: {said}")
        elif repeated or results(tmp_path) != undisturbed:
            outcomes.add(SILENT, f"{what}: repeated {repeated}, or other results")
        elif "Nothing to be done" not in again(tmp_path):
            outcomes.add(SILENT, f"{what}: a second command finds something to do")
        else:
            outcomes.add(HELD, what)


def again(folder: Path) -> str:
    """What a dry run says."""
    (folder / "snakemake.log").unlink()
    started(folder, "-n").wait()
    return (folder / "snakemake.log").read_text()
