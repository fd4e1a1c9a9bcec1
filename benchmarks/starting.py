"""Starts, in processor time: of a process that trains, of every command, and of the plan of a large workflow."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.timing import Row, children, overhead, speedup, within
from benchmarks.used import used
from care_bench.files import write_json

ROOT = Path(__file__).parents[1]
STEP = """
import torch, care_bench.cli, care_bench.jobs, care_bench.training.pretrain
from care_bench.optimizers import Adam
weight = torch.zeros(1, requires_grad=True)
optimizer = Adam([weight], fused=True)
weight.sum().backward()
optimizer.step()
optimizer.zero_grad()
"""
LIBRARIES = "import typer, pydantic, rich.console"
COMMANDS = ("prepare", "pretrain", "evaluate", "measure", "doctor", "collect", "report", "plot", "verify")
RUNS, SECONDS, BYTES = 10_000, 30.0, 1e9
"""A plan of so many runs takes at most so many seconds and bytes."""


def measure() -> list[Row]:
    """Time all starts."""
    name = "start of a process that trains, and a step of its optimizer, against one with torch's compiler"
    ours, reference = _process(STEP), _process(f"import torch._dynamo{STEP}")
    rows = [speedup(name, ours, reference, at_least=1.4, pairs=3, clock=children)]
    for command in COMMANDS:
        name = f"care-bench {command} --help, against importing typer, pydantic and rich"
        shown = _command("-m", "care_bench", command, "--help")
        rows.append(overhead(name, shown, _process(LIBRARIES), at_most=2.5, pairs=5, clock=children))
    return [*rows, *plan(RUNS)]


def plan(runs: int) -> list[Row]:
    """Plan a workflow of so many runs, each a job of its own, and return its processor time and its largest memory.

    With ``--quiet rules``, as snakemake recommends for large workflows: without, it also prints three jobs per run.
    """
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile.yaml"
        methods = {f"simclr{number}": {"name": "simclr"} for number in range(10)}
        content = {"profile": "plan", "seeds": list(range(runs // 10))}
        write_json(profile, {**content, "datasets": {"digits": {"preset": "digits", "methods": methods}}})
        workflow = ["--snakefile", ROOT / "Snakefile", "--directory", folder, "--quiet", "rules"]
        began = time.monotonic()
        found = used("snakemake", *workflow, "--configfile", profile, "--cores", "1", "--dry-run")
        waited = time.monotonic() - began
    name = f"plan of {runs:,} runs, a job each (snakemake --dry-run --quiet rules)"
    return [
        within(f"{name}: processor time, {waited:.0f} s on the clock", found.seconds, SECONDS, "s"),
        within(f"{name}: memory", found.memory / 1e9, BYTES / 1e9, "GB"),
    ]


def _process(code: str) -> Callable[[], object]:
    return _command("-c", code)


def _command(*arguments: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
