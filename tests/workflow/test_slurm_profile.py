"""What the profile for Slurm asks for, by a dry run and the command with which Snakemake's plugin submits a job."""

from __future__ import annotations

import copy
import re
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.forks import run_forked

from .conftest import ROOT, TINY

SLURM = ROOT / "workflows/profiles/slurm"
DEVICES, THREADS = 4, 2
RULE = r"^(?:    )?rule (\w+):\n(.*?)(?=^(?:    )?rule |\Z)"
MADE = {"run_uuid": "x", "slurm_logfile": "x", "comment_str": "x", "account": "", "partition": "", "workdir": "."}


class Resources(SimpleNamespace):
    """Resources as a job has them: names, and what the plugin asks of them."""

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Rule -> the command that submits its job, for a run on four devices."""
    plugin = pytest.importorskip("snakemake_executor_plugin_slurm.submit_string")
    folder, profile = tmp_path_factory.mktemp("slurm"), copy.deepcopy(TINY)
    profile["datasets"]["digits"]["training"] = {"devices": DEVICES, "threads": THREADS}
    del profile["datasets"]["digits"]["methods"]["care"], profile["steps"]  # with few steps, one device
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile))
    options = ("--snakefile", ROOT / "Snakefile", "--configfile", "profile.yaml", "--directory", folder)
    ended = run_forked("snakemake", *options, "--workflow-profile", SLURM, "--dry-run", "--cores", 64, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    found = {}
    for rule, block in re.findall(r"^rule (\w+):\n((?:    .*\n)+)", ended.stdout, re.MULTILINE):
        threads = re.search(r"threads: (\d+)", block)
        (line,) = re.findall(r"resources: (.*)", block)
        pairs = dict(re.findall(r"(\w+)=([^,\s]+)", line))
        resources = Resources(**{name: int(value) if value.isdigit() else value for name, value in pairs.items()})
        resources.gpu = DEVICES if rule == "pretrain" else 1  # a dry run counts as local, where this machine decides
        job = SimpleNamespace(resources=resources, threads=int(threads[1]) if threads else 1)
        found[rule] = plugin.get_submit_command(job, MADE)
    return found


def number(command: str, option: str) -> int | None:
    found = re.search(rf"(?:^| ){option}[= ](\d+)", command)
    return int(found[1]) if found else None


def test_a_run_on_several_devices_is_one_task_on_one_node(submitted: dict[str, str]) -> None:
    """It starts a process per device itself, each of them with the threads of the run."""
    command = submitted["pretrain"]
    assert number(command, "--nodes") == 1
    assert "--ntasks-per-gpu" not in command
    assert number(command, "--ntasks") in (None, 1)
    assert number(command, "--cpus-per-task") == DEVICES * THREADS


@pytest.mark.parametrize("rule", ["evaluate", "illustrate"])
def test_measuring_has_the_memory_of_a_data_set_and_hours(rule: str, submitted: dict[str, str]) -> None:
    assert number(submitted[rule], "--mem") == 32000
    assert (number(submitted[rule], "-t") or 0) >= 240
    assert number(submitted[rule], "--cpus-per-task") == THREADS


def test_the_profile_names_every_rule_that_measures() -> None:
    content = yaml.safe_load((SLURM / "config.yaml").read_text())
    with_gpu = {
        rule
        for path in (ROOT / "workflows/rules").glob("*.smk")
        for rule, block in re.findall(RULE, path.read_text(), re.MULTILINE | re.DOTALL)
        if "gpu=" in block
    }
    assert with_gpu == set(content["set-resources"])
