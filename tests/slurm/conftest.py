"""A Slurm cluster of one node, for all tests of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.slurm.cluster import missing, start, stop

ROOT = Path(__file__).parents[2]
QUICK = (
    *("--slurm-status-command", "squeue"),  # sacct would need a database
    *("--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "5"),
)


@dataclass(frozen=True)
class Cluster:
    """A running cluster, and the variables of commands that use it."""

    variables: dict[str, str]

    def call(self, *command: str) -> str:
        """Run one of Slurm's commands and return its output."""
        done = subprocess.run(command, env=self.variables, capture_output=True, text=True, check=True)
        return done.stdout

    def snakemake(self, folder: Path, profile: dict[str, Any], *arguments: str) -> subprocess.Popen[str]:
        """Start snakemake on a profile in a folder, with the Slurm profile as it is."""
        (folder / "profile.yaml").write_text(yaml.safe_dump(profile))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--configfile", "profile.yaml", "--workflow-profile", str(ROOT / "workflows/profiles/slurm")]
        return subprocess.Popen(
            [*command, *QUICK, *arguments],
            cwd=folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if absent := missing():
        pytest.skip(f"Slurm is not installed: no {', '.join(absent)}; Debian: slurmctld slurmd slurm-client munge")
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # sockets have short names
    try:
        yield Cluster({**os.environ, **start(folder)})
    finally:
        stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
