"""Whole profiles as jobs of executors without a shared file system, and the profiles for such executors."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.cli import get_argument_parser

from tests.forks import run_forked
from tests.workflow.conftest import Edit

ROOT = Path(__file__).parents[2]
PROFILES = sorted((ROOT / "workflows/profiles").glob("*/config.yaml"))
OTHER_PLUGINS = {
    *("kubernetes-namespace", "kubernetes-persistent-volumes", "kubernetes-service-account-name"),
    *("aws-basic-batch-region", "aws-basic-batch-job-queue", "aws-basic-batch-job-definition"),
}
"""Settings of plugins that are not installed here: snakemake-executor-plugin-kubernetes 0.5, -aws-basic-batch 0.3."""
RESOURCES = {"mem_mb", "disk_mb", "runtime", "gpu", "nodes", "tasks_per_gpu", "slurm_account", "slurm_partition"}
RESOURCES |= {"scale", "gpu_manufacturer", "aws_batch_vcpu", "aws_batch_mem_mb", "aws_batch_gpu"}
"""Resources that snakemake or an executor documents."""


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_a_profile_has_settings_that_exist(path: Path) -> None:
    settings: dict[str, Any] = yaml.safe_load(path.read_text())
    actions = get_argument_parser()._actions
    known = {option.removeprefix("--") for action in actions for option in action.option_strings} | OTHER_PLUGINS
    assert settings.keys() <= known
    defaults = {str(entry).partition("=")[0] for entry in settings.get("default-resources", [])}
    asked = {name for resources in settings.get("set-resources", {}).values() for name in resources}
    assert defaults | asked <= RESOURCES


def test_every_profile_is_one_job(tmp_path: Path) -> None:
    profiles = "profiles=[workflows/config/smoke.yaml,workflows/config/methods.yaml]"
    options = ("--snakefile", ROOT / "workflows/cloud.smk", "--cores", 8, "-n", "--config", profiles)
    ended = run_forked("snakemake", *options, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    for name in ("smoke", "methods"):
        assert f"results/cloud/{name}.tar.gz" in ended.stdout
    assert "/care_bench" not in ended.stdout


def test_a_profile_alone_needs_no_list_and_two_of_one_name_are_refused(tmp_path: Path) -> None:
    options = ("--snakefile", ROOT / "workflows/cloud.smk", "--cores", 8, "-n", "--config")
    ended = run_forked("snakemake", *options, "profiles=workflows/config/methods.yaml", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "results/cloud/methods.tar.gz" in ended.stdout
    ended = run_forked("snakemake", *options, "profiles=[one/mine.yaml,two/mine.yaml]", cwd=tmp_path)
    assert ended.returncode != 0
    assert "profiles = one/mine.yaml, two/mine.yaml: two files have the same name" in ended.stdout


STUB = """
rule all:
    params: kept="results/runs/data/raw"
    shell: "mkdir -p results/data results/raw {params.kept} && cp {workflow.configfiles[0]} {params.kept}/seeds"
"""


@pytest.mark.long
def test_an_archive_leaves_out_the_data_alone_and_is_made_again_of_a_changed_profile(tmp_path: Path) -> None:
    """A row may be called `raw` and a data set `data`: only the folders beside `runs` are left out."""
    checkout, work = tmp_path / "checkout", tmp_path / "here"
    (checkout / "workflows").mkdir(parents=True)
    work.mkdir()
    shutil.copy(ROOT / "workflows/cloud.smk", checkout / "workflows")
    (checkout / "Snakefile").write_text(STUB)
    (checkout / "mine.yaml").write_text("seeds: [0]\n")
    options = ("--snakefile", checkout / "workflows/cloud.smk", "--cores", 8, "--config", "profiles=mine.yaml")
    for seeds in ("seeds: [0]\n", "seeds: [0, 1]\n"):
        (checkout / "mine.yaml").write_text(seeds)
        ended = run_forked("snakemake", *options, cwd=work)
        assert ended.returncode == 0, ended.stderr
        with tarfile.open(work / "results/cloud/mine.tar.gz") as archive:
            held = archive.extractfile("./runs/data/raw/seeds")
            assert held is not None
            assert held.read().decode() == seeds
            assert not any(name.startswith(("./data", "./raw")) for name in archive.getnames())
    assert "Nothing to be done" in run_forked("snakemake", *options, cwd=work).stderr
    ended = run_forked("snakemake", *options[:-1], "profiles=absent.yaml", cwd=work)
    assert ended.returncode != 0
    assert "absent.yaml is missing; expected files of the checkout" in ended.stdout + ended.stderr


@pytest.mark.long
def test_a_job_leaves_one_archive_with_records_report_and_weights(tmp_path: Path, edit: Edit) -> None:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(edit()))
    options = (
        "--snakefile",
        ROOT / "workflows/cloud.smk",
        "--cores",
        2,
        "--config",
        f"profiles=[{tmp_path}/mine.yaml]",
    )
    ended = run_forked("snakemake", *options, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    with tarfile.open(tmp_path / "results/cloud/mine.tar.gz") as archive:
        names = set(archive.getnames())
    assert {
        "./collected/tiny-steps2/records.parquet",
        "./report/tiny-steps2/report.md",
        "./runs/tiny-steps2/digits/care/seed0/encoder.safetensors",
    } <= names
    assert not any(name.startswith(("./data", "./raw")) for name in names)
