"""The pytest plugin of the theory checks on small test files: verdicts, exit codes, the ledger file, profiles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from care_bench.artifacts import LedgerRow, read_ledger
from theory_checks.ledger import Page, Statement, open_page, smallest

from .conftest import Outcome, RunPytest, warm_pytest

ROOT = Path(__file__).parents[2]
HEAD = """
import pytest
from hypothesis import given, strategies as st
from theory_checks.ledger import Statement, observe

def statement(name, verdict="holds"):
    return Statement(name, f"{name} is true.", "Prop. 0", verdict)
"""
HOLDING = """
STATEMENTS = (statement("exact"), statement("within-bound", "holds with assumption: it is Monday"))

@pytest.mark.statement("exact", "within-bound")
def test_both():
    for n, residual in ((10, 0.5), (2, 3.0), (7, 1.0)):
        observe("within-bound", residual=residual, bound=4.0, case=f"n={n} seed=1")
    observe("exact", residual=0, bound=0, case="n=1")

@pytest.mark.statement("exact")
def test_exact():
    observe("exact", residual=1e-15)
"""
FAILING = """
STATEMENTS = (statement("few"), statement("silent"))

@pytest.mark.statement("few")
@given(st.integers(0, 1000))
def test_few(n):
    observe("few", residual=n, bound=10, case=f"n={n}")
    assert n < 7

@pytest.mark.statement("few")
def test_few_passes():
    observe("few", residual=0, case="n=0")

@pytest.mark.statement("silent")
def test_silent():
    assert True
"""
ORPHAN = """
STATEMENTS = (statement("orphan"), statement("tested"))

@pytest.mark.statement("tested")
def test_tested():
    observe("tested", residual=0)
"""
SAMPLED = """
STATEMENTS = (statement("sampled"),)

@pytest.mark.statement("sampled")
@given(st.integers(0, 10**9))
def test_sampled(n):
    observe("sampled", residual=n)
"""

POINTS = """
from theory_checks.strategies import sphere_points

@given(sphere_points(max_n=9, max_d=9))
def test_points(points):
    assert len(points) < 3
"""


@pytest.fixture(scope="module")
def warm() -> Iterator[RunPytest]:
    with warm_pytest(ROOT) as run:
        yield run


@pytest.fixture
def theory(warm: RunPytest, tmp_path: Path) -> RunPytest:
    """A function that runs pytest with the plugin on generated test files."""

    def run(*arguments: str, **files: str) -> Outcome:
        (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p theory_checks.conftest --import-mode=importlib\n")
        for name, content in files.items():
            (tmp_path / f"test_{name}.py").write_text(HEAD + content)
        return warm(tmp_path, "-q", "-p", "no:cacheprovider", *arguments)

    return run


def ledger(folder: Path) -> dict[str, LedgerRow]:
    return {row.name: row for row in read_ledger(folder / "ledger.jsonl")}


def without_time(rows: dict[str, LedgerRow]) -> list[LedgerRow]:
    return [row.model_copy(update={"seconds": 0.0}) for row in rows.values()]


def test_a_statement_whose_tests_pass_gets_its_verdict_and_numbers(theory: RunPytest, tmp_path: Path) -> None:
    code, output = theory("--ledger", "ledger.jsonl", holding=HOLDING)
    assert code == pytest.ExitCode.OK, output
    rows = ledger(tmp_path)
    assert list(rows) == ["exact", "within-bound"]
    exact, bounded = rows.values()
    assert (exact.statement, exact.source, exact.verdict) == ("exact is true.", "Prop. 0", "holds")
    assert (exact.examples, exact.worst_residual, exact.smallest_case) == (2, 1e-15, "n=1")
    assert (exact.tightest_ratio, exact.ratio_quartiles) == (None, None)
    assert bounded.verdict == "holds with assumption: it is Monday"
    assert (bounded.examples, bounded.worst_residual, bounded.tightest_ratio) == (3, 3.0, 0.75)
    assert bounded.ratio_quartiles == (0.1875, 0.25, 0.5)  # of 1/8, 1/4, 3/4
    assert bounded.smallest_case == "n=2 seed=1"
    assert "2 statements, 5 examples in" in output
    line = next(line for line in output.splitlines() if line.lstrip().startswith("within-bound")).split()
    assert line[1:4] == ["Prop.", "0", "3"]
    assert line[5:7] == ["3.0e+00", "7.5e-01"]


def test_a_failing_test_gives_violated_and_a_silent_one_not_observed(theory: RunPytest, tmp_path: Path) -> None:
    code, output = theory("--ledger", "ledger.jsonl", failing=FAILING)
    assert code == pytest.ExitCode.TESTS_FAILED
    few, silent = ledger(tmp_path).values()
    assert (few.verdict, few.smallest_case) == ("violated", "n=7")
    assert few.worst_residual is not None
    assert few.worst_residual >= 7
    assert (silent.verdict, silent.examples, silent.worst_residual) == ("not observed", 0, None)
    assert "n=7" in output
    assert "@reproduce_failure" in output
    assert "not observed, so the session fails: silent" in output


def test_a_test_that_observes_nothing_fails_the_session_by_itself(theory: RunPytest) -> None:
    code, output = theory("-k", "silent", failing=FAILING)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "1 passed, 2 deselected" in output


def test_statements_of_deselected_tests_are_left_out(theory: RunPytest, tmp_path: Path) -> None:
    code, output = theory("--ledger", "ledger.jsonl", "-k", "passes", failing=FAILING)
    assert code == pytest.ExitCode.OK, output
    assert [(row.name, row.verdict) for row in ledger(tmp_path).values()] == [("few", "holds")]
    assert "2 tests were left out" in output


def test_a_statement_without_a_test_fails_the_session_unless_tests_are_asked_for_by_name(
    theory: RunPytest, tmp_path: Path
) -> None:
    code, output = theory("--ledger", "ledger.jsonl", orphan=ORPHAN)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert {row.name: row.verdict for row in ledger(tmp_path).values()} == {"orphan": "not observed", "tested": "holds"}
    code, output = theory("test_orphan.py::test_tested", orphan=ORPHAN)
    assert code == pytest.ExitCode.OK, output


def test_observations_of_xdist_workers_are_collected(theory: RunPytest, tmp_path: Path) -> None:
    files = {"failing": FAILING, "holding": HOLDING}
    theory("--ledger", "ledger.jsonl", **files)
    alone = ledger(tmp_path)
    code, output = theory("--ledger", "ledger.jsonl", "-n", "2", **files)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert without_time(ledger(tmp_path)) == without_time(alone)


def test_a_run_that_stops_early_leaves_the_old_ledger(theory: RunPytest, tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text("old\n")
    code, output = theory("--ledger", "ledger.jsonl", "-x", failing=FAILING)
    assert code != pytest.ExitCode.OK
    assert "ledger ledger.jsonl not written: the run did not come to its end" in output
    assert (tmp_path / "ledger.jsonl").read_text() == "old\n"


def test_a_ledger_that_cannot_be_written_is_one_line_and_an_exit_code(theory: RunPytest, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    code, output = theory("--ledger", "taken/ledger.jsonl", orphan=ORPHAN)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "cannot write taken/ledger.jsonl" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ORPHAN.replace('mark.statement("tested")', 'mark.statement("typo")'), "statement marks typo"),
        (ORPHAN.replace('statement("orphan")', 'statement("tested")'), "two statements have the id tested"),
        (ORPHAN.replace('"orphan")', '"orphan", "surely")'), "orphan: the verdict is 'surely'"),
    ],
    ids=["unknown mark", "one id twice", "unknown verdict"],
)
def test_a_wrong_declaration_stops_the_run(theory: RunPytest, content: str, message: str) -> None:
    code, output = theory(wrong=content)
    assert code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    assert message in output


def test_the_default_profile_repeats_its_examples_and_thorough_has_more(theory: RunPytest, tmp_path: Path) -> None:
    seen = []
    for arguments in ((), (), ("--hypothesis-profile=thorough",)):
        code, output = theory("--ledger", "ledger.jsonl", *arguments, sampled=SAMPLED)
        assert code == pytest.ExitCode.OK, output
        seen.append(ledger(tmp_path)["sampled"])
    first, second, thorough = seen
    assert (first.examples, thorough.examples) == (40, 400)
    assert without_time({"sampled": first}) == without_time({"sampled": second})


def test_a_failing_strategy_prints_the_smallest_sizes_and_the_seed(theory: RunPytest) -> None:
    _, output = theory(points=POINTS)
    assert "make_points(n=3, d=1, seed=0, kind='uniform')" in output


STATEMENT = Statement("known", "Known.", "Prop. 0", "holds")


@pytest.mark.parametrize(
    ("statement", "residual", "bound", "message"),
    [
        ("other", 0.0, None, "its statement marks say known"),
        ("known", float("nan"), None, "residual is nan"),
        ("known", -1.0, None, "residual is -1.0"),
        ("known", 0.0, float("inf"), "bound is inf"),
    ],
)
def test_a_page_refuses_invalid_observations(
    statement: str, residual: float, bound: float | None, message: str
) -> None:
    page = Page((STATEMENT,))
    with pytest.raises(ValueError, match=message):
        page.note(statement, residual, bound, None)
    assert page.residuals == {}


def test_observing_outside_a_test_is_refused() -> None:
    from theory_checks import ledger as module  # the function `ledger` of this file reads files

    open_page(None)
    with pytest.raises(RuntimeError, match="outside a test"):
        module.observe("known", residual=0.0)


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        (["n=10 d=1", "n=9 d=3", "n=9 d=20"], "n=9 d=3"),
        (["n=2 size=1e-3", "n=2 size=0.5"], "n=2 size=1e-3"),
        (["cyclic 3 seed=0", "cyclic 3 seed=0 again"], "cyclic 3 seed=0"),
    ],
)
def test_the_smallest_case_is_the_one_with_the_smallest_numbers_from_the_left(cases: list[str], expected: str) -> None:
    assert smallest(cases) == expected
    assert smallest(cases[::-1][1:] + cases[::-1][:1]) == expected
