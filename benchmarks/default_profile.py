"""The default profile from scratch: processor time, and the share of it spent on starting processes and importing.

The start-up of a job is measured as the time of a process that only imports the job's modules. Both are processor time,
which neither other work on the machine nor the number of cores changes much. The workflow runs in a temporary folder.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.timing import Row, children
from care_bench.config import read_profile

ROOT = Path(__file__).parents[1]
PROFILE = ROOT / "workflows/config/smoke.yaml"
IMPORTS = {  # stage -> modules that its job imports
    "prepare": "care_bench.cli, care_bench.data",
    "pretrain": "care_bench.cli, care_bench.jobs, care_bench.training.pretrain",
    "evaluate": "care_bench.cli, care_bench.jobs, care_bench.evaluation.run, sklearn.linear_model",
    "illustrate": "care_bench.cli, care_bench.evaluation.illustrations",
    "collect": "care_bench.cli, care_bench.artifacts.collecting",
    "report": "care_bench.cli, care_bench.report.build",
}
AT_MOST = 1 / 3


def measure() -> list[Row]:
    """Run the profile once and add up the start-up of its processes."""
    profile = read_profile(PROFILE)
    runs, jobs = len(profile.runs()), len(profile.jobs())
    datasets = len(profile.datasets)
    counts = {
        "prepare": datasets,
        "pretrain": jobs,
        "evaluate": jobs,
        "illustrate": datasets,
        "collect": 1,
        "report": 1,
    }
    with tempfile.TemporaryDirectory() as folder:
        workflow = ["-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
        workflow += ["--configfile", str(PROFILE), "--cores", "all"]
        planning = _seconds([*workflow, "--dry-run"])
        whole = _seconds(workflow)
    start = planning + sum(count * _start(IMPORTS[kind]) for kind, count in counts.items())
    name = f"default profile, {runs} runs: start of processes and imports, against all of its processor time"
    return [Row(name, start, whole, start / whole, f"at most {AT_MOST:.2f} of it", start / whole <= AT_MOST)]


def _start(modules: str) -> float:
    return statistics.median(_seconds(["-c", f"import {modules}"]) for _ in range(3))


def _seconds(arguments: list[str]) -> float:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    began = children()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment, cwd=ROOT)
    return children() - began
