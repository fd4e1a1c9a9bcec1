"""A ledger is of all checks: a run that leaves any out, in whichever way, keeps the old one and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import FAILING, HOLDING, RunPytest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-k", "passes"), "4 tests were left out"),
        (("test_failing.py::test_few_passes",), "only test_failing.py::test_few_passes was asked for"),
        (("test_holding.py",), "only test_holding.py was asked for"),
        (("--ignore=test_holding.py",), "test_holding.py left out"),
        (("--ignore-glob=*fail*",), "test_failing.py left out"),
        (("--lf", "-p", "cacheprovider"), "test_holding.py left out"),
        (("--pyargs", "test_holding"), "only test_holding was asked for"),
        (("--co",), "5 tests did not run: test_failing.py::test_few, test_failing.py::test_few_passes, "),
        (("--setup-plan",), "5 tests did not run: "),
        (("-o", "python_files=test_h*.py"), "test_failing.py left out"),
        pytest.param(("-k", "passes", "-n", "1"), "4 tests were left out", marks=pytest.mark.long),
        pytest.param(("--ignore=test_holding.py", "-n", "2"), "test_holding.py left out", marks=pytest.mark.long),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_ledger_is_of_all_checks(theory: RunPytest, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    if "--lf" in arguments:
        theory("-p", "cacheprovider", failing=FAILING, holding=HOLDING)
    (tmp_path / "ledger.jsonl").write_text("old\n")
    code, output = theory("--ledger", "ledger.jsonl", *arguments, failing=FAILING, holding=HOLDING)
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert f"ledger ledger.jsonl not written: {said}" in output
    assert "expected all checks, as of `pytest theory_checks/`" in output
    assert (tmp_path / "ledger.jsonl").read_text() == "old\n"


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        ("import nothing_like_it\n", ("--continue-on-collection-errors",), "test_other.py left out"),
        ("def test_skipped():\n    pytest.skip('not today')\n", (), "1 tests did not run: test_other.py::test_skipped"),
        ("import os\n\ndef test_breaks():\n    os._exit(1)\n", ("-n", "1"), "1 tests did not run: test_other.py::"),
        ("def test_ends():\n    pytest.exit('now', returncode=0)\n", (), "1 tests did not run: test_other.py::"),
    ],
    ids=["not imported", "skipped", "broken down", "ended"],
)
def test_a_check_that_did_not_run_leaves_the_old_ledger(
    theory: RunPytest, tmp_path: Path, content: str, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "ledger.jsonl").write_text("old\n")
    code, output = theory("--ledger", "ledger.jsonl", *arguments, holding=HOLDING, other=content)
    assert code != pytest.ExitCode.OK, output
    assert f"ledger ledger.jsonl not written: {said}" in output
    assert (tmp_path / "ledger.jsonl").read_text() == "old\n"


def test_a_folder_without_statements_leaves_the_old_ledger(theory: RunPytest, tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text("old\n")
    code, output = theory("--ledger", "ledger.jsonl", none="def test_nothing():\n    pass\n")
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "ledger ledger.jsonl not written: no statement was checked" in output
    assert (tmp_path / "ledger.jsonl").read_text() == "old\n"


def test_a_run_that_stops_early_leaves_the_old_ledger(theory: RunPytest, tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text("old\n")
    code, output = theory("--ledger", "ledger.jsonl", "-x", failing=FAILING)
    assert code != pytest.ExitCode.OK
    assert "ledger ledger.jsonl not written: the run did not come to its end" in output
    assert (tmp_path / "ledger.jsonl").read_text() == "old\n"
