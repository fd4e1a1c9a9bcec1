"""The workflow through Slurm: jobs, a preempted job that is queued again, and an array of jobs."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from care_bench.config import RunConfig
from care_bench.training.pretrain import pretrain
from tests.slurm.conftest import Cluster
from tests.workflow.conftest import TINY

pytestmark = pytest.mark.slurm
ENCODER = {"backbone": {"name": "convnet", "width": 8}}


def profile(name: str, **changes: Any) -> dict[str, Any]:
    plan = {"preset": "digits", "encoder": ENCODER, "methods": {"simclr": {"name": "simclr"}}}
    return {"profile": name, "seeds": [0], "datasets": {"digits": plan}, **changes}


def ended(snakemake: subprocess.Popen[str]) -> str:
    output = snakemake.communicate()[0]
    assert snakemake.returncode == 0, output
    return output


def weights_here(folder: Path, job: str, run: str) -> bytes:
    """Train a run of a job in this process, without Slurm, and return its weights."""
    configs = json.loads((folder / "results/jobs" / job / "runs.json").read_text())
    config = next(one for one in (RunConfig.parse(content, "run") for content in configs) if one.id == run)
    return pretrain(config, folder / "results/data", folder / "here").encoder.read_bytes()


def test_the_whole_workflow_runs_as_jobs_of_slurm(cluster: Cluster, tmp_path: Path) -> None:
    output = ended(cluster.snakemake(tmp_path, TINY))
    submitted = set(re.findall(r"slurm_logs/rule_(\w+)/", output))
    assert {"prepare", "pretrain", "evaluate", "illustrate", "collect", "report_tables"} <= submitted
    assert (tmp_path / "results/report/tiny-steps2/report.md").exists()
    run = "digits/care/seed0"
    found = (tmp_path / f"results/runs/tiny-steps2/{run}/encoder.safetensors").read_bytes()
    assert found == weights_here(tmp_path, f"tiny-steps2/{run}", run)


def test_a_preempted_job_is_queued_again_and_ends_in_the_same_bits(cluster: Cluster, tmp_path: Path) -> None:
    training = {"epochs": 100, "checkpoint_every": 25, "threads": 1}
    long = profile("long")
    long["datasets"]["digits"]["training"] = training
    snakemake = cluster.snakemake(tmp_path, long, "--until", "pretrain")
    folder = tmp_path / "results/runs/long/digits/simclr/seed0"
    until = time.monotonic() + 300
    while not list(folder.glob("*/checkpoint.pt")):
        assert snakemake.poll() is None, snakemake.communicate()[0]
        assert time.monotonic() < until, "no checkpoint"
        time.sleep(0.1)
    job = re.search(r"(\d+) RUNNING", cluster.call("squeue", "--noheader", "--format", "%i %T"))
    assert job is not None
    cluster.call("sbatch", "--partition", "urgent", "--exclusive", "--mem=0", "--output", "/dev/null", "--wrap", "true")
    ended(snakemake)
    assert "Restarts=1" in cluster.call("scontrol", "show", "job", job[1])
    summary = json.loads((folder / "pretrain.json").read_text())
    assert summary["resumed"] == 1
    run = "digits/simclr/seed0"
    assert (folder / "encoder.safetensors").read_bytes() == weights_here(tmp_path, f"long/{run}", run)


def test_fifty_runs_are_one_array_of_jobs(cluster: Cluster, tmp_path: Path) -> None:
    output = ended(
        cluster.snakemake(
            *(tmp_path, profile("array", seeds=list(range(50)), steps=1)),
            *("--until", "pretrain", "--slurm-array-jobs", "pretrain"),
        )
    )
    found = list(tmp_path.glob("results/runs/array-steps1/digits/simclr/seed*/encoder.safetensors"))
    assert len({path.read_bytes() for path in found}) == 50
    array = re.search(r"SLURM job ID (\d+)\. The individual task IDs are 1-50\.", output)
    assert array is not None, output
    states = cluster.call("squeue", "--noheader", "--states", "all", "--array", "--job", array[1], "--format", "%T")
    assert states.split() == ["COMPLETED"] * 50
