"""The theory is checked on request only; once it has been, the report shows the ledger."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from care_bench.artifacts import read_ledger
from care_bench.report import write_report
from tests.forks import Ended, run_forked

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
    assert sorted(jobs) == ["theory", "theory_ledger"]
    modules = [path.read_text() for path in (ROOT / "theory_checks").glob("*.py")]
    imported = {name for text in modules for name in re.findall(r"^from care_bench\.(\w+)", text, re.MULTILINE)}
    checked = imported - {"artifacts", "errors"}  # the ledger's format is not checked
    assert checked >= {"augmentations", "losses", "metrics"}
    for folder in ("theory_checks", *(f"care_bench/{package}" for package in checked)):
        for path in (ROOT / folder).rglob("*.py"):
            assert str(path) in jobs["theory_ledger"], "a ledger would not notice a change of this file"
    assert f"output: {LEDGER}" in jobs["theory_ledger"]
    assert f"input: {LEDGER}" in jobs["theory"]


def test_the_default_target_does_not_run_the_theory_checks(tmp_path: Path) -> None:
    jobs = planned(tmp_path)
    assert not jobs.keys() & {"theory", "theory_ledger"}
    assert str(LEDGER) not in jobs["report_tables"]


def test_an_existing_ledger_is_an_input_of_the_report(tmp_path: Path, ledger: Path) -> None:
    jobs = planned(tmp_path)
    assert not jobs.keys() & {"theory", "theory_ledger"}
    assert re.search(rf"input: .*{LEDGER}", jobs["report_tables"])


def test_a_ledger_older_than_the_code_is_reported_unchanged(tmp_path: Path, ledger: Path) -> None:
    os.utime(ledger, (10**9, 10**9))
    jobs = planned(tmp_path)
    assert not jobs.keys() & {"theory", "theory_ledger"}, (
        "the environment of the default target lacks the packages of the checks"
    )
    assert re.search(rf"input: .*{LEDGER}", jobs["report_tables"])


def test_a_ledger_older_than_the_code_is_made_again_on_demand(tmp_path: Path, ledger: Path) -> None:
    assert list(planned(tmp_path, "theory")) == ["theory"], "only its verdicts are looked at again"
    os.utime(ledger, (10**9, 10**9))
    assert "theory_ledger" in planned(tmp_path, "theory")


CHECKS = """
import pytest
from theory_checks.observing import Statement, observe

STATEMENTS = tuple(Statement(name, f"{name} is true.", "Prop. 0", "holds") for name in ("right", "wrong"))

@pytest.mark.statement("right", "wrong")
def test_right():
    for name in ("right", "wrong"):
        observe(name, residual=0, case="n=1")

@pytest.mark.statement("wrong")
def test_wrong():
    observe("wrong", residual=RESIDUAL, case="n=2")
    assert not RESIDUAL
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which the only checks are `CHECKS`."""
    folder = tmp_path / "checkout"
    for name in ("care_bench", "theory_checks", "workflows"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "test_*.py"))
    for name in ("Snakefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


def checked(checkout: Path, checks: str, *options: str, python: Path) -> Ended:
    """Write the checks, run the target `theory` in a folder beside the checkout, and return how it ended."""
    (checkout / "theory_checks/test_small.py").write_text(checks)
    folder = checkout.parent / "here"
    folder.mkdir(exist_ok=True)
    options = ("--snakefile", checkout / "Snakefile", "--directory", folder, "--cores", "1", *options, "theory")
    return run_forked("snakemake", *options, cwd=folder, path=(checkout,), python=python)


def test_a_violated_statement_is_kept_and_shown_and_fails_the_target(checkout: Path, forked_python: Path) -> None:
    holds, fails = (CHECKS.replace("RESIDUAL", residual) for residual in ("0", "3"))
    path = checkout.parent / "here" / LEDGER
    ended = checked(checkout, holds, python=forked_python)
    assert ended.returncode == 0, ended.stderr
    assert {row.name: row.verdict for row in read_ledger(path)} == {"right": "holds", "wrong": "holds"}

    for attempt in ("checked", "looked at again"):
        ended = checked(checkout, fails, python=forked_python)
        assert ended.returncode != 0, ended.stderr
        assert "theory: violated: wrong; see results/theory/ledger.jsonl" in ended.stderr, attempt
        assert {row.name: row.verdict for row in read_ledger(path)} == {"right": "holds", "wrong": "violated"}
    write_report(checkout.parent / "here/results", checkout.parent / "report", ["md"])
    assert "Verdicts: violated: 1; holds: 1." in (checkout.parent / "report/report.md").read_text()

    before = path.read_bytes()
    control = holds + "\ndef test_control():\n    raise AssertionError\n"
    for checks in ("import nothing_like_it\n", control):
        ended = checked(checkout, checks, python=forked_python)
        assert ended.returncode != 0
        assert path.read_bytes() == before, "checks that cannot run, or be trusted, say nothing of the statements"

    ended = checked(checkout, holds, python=forked_python)
    assert ended.returncode == 0, ended.stderr
    assert {row.verdict for row in read_ledger(path)} == {"holds"}
