"""The conda environments, lock files, cluster profile and default profile agree with each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement

from care_bench.config import read_profile

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = sorted((ROOT / "workflows/envs").glob("*.yaml"))
LOCKS = ("run", "dev")


PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)(?: ; ([^\\\n]+))?", re.MULTILINE)


def locked(lock: str, python: str) -> dict[str, str]:
    """Return the version of every package in a lock file, for a version of Python on Linux."""
    target = {"python_full_version": f"{python}.0", "python_version": python}
    target |= {"sys_platform": "linux", "platform_machine": "x86_64"}
    pins = PIN.findall((ROOT / "requirements" / f"{lock}.lock").read_text())
    return {name: version for name, version, marker in pins if not marker or Marker(marker).evaluate(target)}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_conda_pins_are_those_of_the_lock(path: Path) -> None:
    dependencies: list[Any] = yaml.safe_load(path.read_text())["dependencies"]
    python = next(entry for entry in dependencies if str(entry).startswith("python="))
    pins = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    lock = (
        "dev" if path.stem == "theory" else "run"
    )  # the default target does not need the packages of the theory checks
    versions = locked(lock, python.removeprefix("python="))
    assert pins
    assert pins == [f"{name}=={versions[name]}" for name in sorted(Requirement(pin).name for pin in pins)]
    assert not path.with_suffix(".pin.txt").exists(), "snakemake would skip the pip section"


def test_every_environment_is_used_and_every_used_one_exists() -> None:
    rules = "".join(path.read_text() for path in (ROOT / "workflows/rules").glob("*.smk"))
    assert set(re.findall(r'"\.\./envs/(\w+)\.yaml"', rules)) == {path.stem for path in ENVIRONMENTS}


def test_the_smaller_lock_is_part_of_the_larger() -> None:
    for python in ("3.11", "3.12"):
        run, dev = (locked(lock, python) for lock in LOCKS)
        assert run
        assert run.items() <= dev.items()


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_hold_hashes_and_no_index_host(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    pins = re.findall(r"^[a-z0-9][^\n]*==[^\n]*", text, re.MULTILINE)
    assert all(pin.rstrip().endswith("\\") for pin in pins)
    assert not re.search(r"://|file:|--(extra-)?index-url|--find-links", text.split("\n", 3)[3])


def test_the_default_profile_has_the_documented_variants() -> None:
    profile = read_profile(ROOT / "workflows/config/smoke.yaml")
    members = {"simclr", "care", "invariance", "uniformity", "equivariance", "uniformity_equivariance"}
    assert set(profile.datasets) == {"digits", "tinted_digits", "proteins"}
    for plan in profile.datasets.values():
        assert members <= set(plan.methods)
    runs = {run.id: run for run in profile.runs()}
    fidelities = {runs[f"digits/{variant}/seed0"].method.fidelity_used for variant in ("care", "care-released-code")}
    assert fidelities == {"paper", "released-code"}


def test_gpu_jobs_request_the_devices_of_their_run() -> None:
    rules = "".join(path.read_text() for path in (ROOT / "workflows/rules").glob("*.smk"))
    asked = dict(re.findall(r"^rule (\w+):(?:(?!^rule ).)*?gpu=([^\n]*)", rules, re.MULTILINE | re.DOTALL))
    assert asked == {
        "pretrain": "lambda wildcards: gpus(devices_of_job(wildcards.job)),",
        "evaluate": "gpus(1),",
        "measure": "gpus(1),",
        "resample": "gpus(1),",
        "illustrate": "gpus(1),",
    }
    for path in (ROOT / "workflows/profiles").glob("*/config.yaml"):
        wanted = yaml.safe_load(path.read_text()).get("set-resources", {})
        assert not any("gpu" in resources for resources in wanted.values())
