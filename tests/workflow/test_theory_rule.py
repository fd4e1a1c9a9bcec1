"""The theory is checked on request only; once it has been, the report shows the ledger."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.forks import run_forked

ROOT = Path(__file__).parents[2]
LEDGER = Path("results/theory/ledger.jsonl")


def planned(folder: Path, *targets: str) -> dict[str, str]:
    """Return the output of a dry run in ``folder`` about each planned job, by rule."""
    options = ("--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "workflows/config/smoke.yaml")
    options += ("--dry-run", "--cores", "1", "--directory", folder)
    done = run_forked("snakemake", *options, *targets, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", done.stdout, re.MULTILINE))


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / LEDGER
    path.parent.mkdir(parents=True)
    path.write_text("as if the checks had run\n")
    return path


def test_the_target_runs_the_checks_and_nothing_else(tmp_path: Path) -> None:
    jobs = planned(tmp_path, "theory")
    assert list(jobs) == ["theory"]
    modules = [path.read_text() for path in (ROOT / "theory_checks").glob("*.py")]
    imported = {name for text in modules for name in re.findall(r"^from care_bench\.(\w+)", text, re.MULTILINE)}
    checked = imported - {"artifacts", "errors"}  # the ledger's format is not checked
    assert checked >= {"augmentations", "losses", "metrics"}
    for folder in ("theory_checks", *(f"care_bench/{package}" for package in checked)):
        for path in (ROOT / folder).rglob("*.py"):
            assert str(path) in jobs["theory"], "a ledger would not notice a change of this file"
    assert f"output: {LEDGER}" in jobs["theory"]


def test_the_default_target_does_not_run_the_theory_checks(tmp_path: Path) -> None:
    jobs = planned(tmp_path)
    assert "theory" not in jobs
    assert str(LEDGER) not in jobs["report_tables"]


def test_an_existing_ledger_is_an_input_of_the_report(tmp_path: Path, ledger: Path) -> None:
    jobs = planned(tmp_path)
    assert "theory" not in jobs
    assert re.search(rf"input: .*{LEDGER}", jobs["report_tables"])


def test_a_ledger_older_than_the_code_is_reported_unchanged(tmp_path: Path, ledger: Path) -> None:
    os.utime(ledger, (10**9, 10**9))
    jobs = planned(tmp_path)
    assert "theory" not in jobs, "the environment of the default target lacks the packages of the checks"
    assert re.search(rf"input: .*{LEDGER}", jobs["report_tables"])


def test_a_ledger_older_than_the_code_is_made_again_on_demand(tmp_path: Path, ledger: Path) -> None:
    assert planned(tmp_path, "theory") == {}
    os.utime(ledger, (10**9, 10**9))
    assert "theory" in planned(tmp_path, "theory")
