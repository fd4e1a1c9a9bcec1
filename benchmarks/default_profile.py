"""The default profile from scratch: wall time, and the share of it spent on starting processes and importing.

The start-up of a job is measured as the time of a process that only imports the job's modules. Jobs run at the same
time, so with two cores it counts by half. The workflow runs in a temporary folder.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.timing import Row
from care_bench.config import read_profile

ROOT = Path(__file__).parents[1]
PROFILE = ROOT / "workflows/config/smoke.yaml"
IMPORTS = {  # stage -> modules that its job imports
    "prepare": "care_bench.cli, care_bench.data",
    "pretrain": "care_bench.cli, care_bench.jobs, care_bench.training.pretrain",
    "evaluate": "care_bench.cli, care_bench.jobs, care_bench.evaluation.run, sklearn.linear_model",
    "collect": "care_bench.cli, care_bench.artifacts.collecting",
    "report": "care_bench.cli, care_bench.report.build",
}
AT_MOST = 1 / 3


def measure() -> list[Row]:
    """Run the profile once and time the start-up of its processes."""
    profile = read_profile(PROFILE)
    runs, jobs = len(profile.runs()), len(profile.jobs())
    counts = {"prepare": len(profile.datasets), "pretrain": jobs, "evaluate": jobs, "collect": 1, "report": 1}
    with tempfile.TemporaryDirectory() as folder:
        workflow = ["-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
        workflow += ["--configfile", str(PROFILE), "--cores", "all"]
        planning = _seconds([*workflow, "--dry-run"])
        wall = _seconds(workflow)
    processes = sum(count * _start(IMPORTS[kind]) for kind, count in counts.items())
    start = planning + processes / min(os.cpu_count() or 1, jobs)
    name = f"default profile, {runs} runs: start of processes and imports, against the wall time"
    return [Row(name, start, wall, start / wall, f"at most {AT_MOST:.2f} of it", start / wall <= AT_MOST)]


def _start(modules: str) -> float:
    return statistics.median(_seconds(["-c", f"import {modules}"]) for _ in range(3))


def _seconds(arguments: list[str]) -> float:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment, cwd=ROOT)
    return time.perf_counter() - began
