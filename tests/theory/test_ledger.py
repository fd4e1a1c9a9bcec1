"""The pytest plugin of the theory checks on small test files: verdicts, exit codes, the ledger file, profiles."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from care_bench.artifacts import LedgerRow, read_ledger

from .conftest import FAILING, HOLDING, RunPytest

ORPHAN = """
STATEMENTS = (statement("orphan"), statement("tested"))

@pytest.mark.statement("tested")
def test_tested():
    observe("tested", residual=0, case="n=1")
"""
SAMPLED = """
STATEMENTS = (statement("sampled"),)

@pytest.mark.statement("sampled")
@given(st.integers(0, 10**9))
def test_sampled(n):
    observe("sampled", residual=n, case=f"n={n}")
"""

POINTS = """
from theory_checks.strategies import sphere_points

@given(sphere_points(max_n=9, max_d=9))
def test_points(points):
    assert len(points) < 3
"""


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
    assert (bounded.examples, bounded.worst_residual, bounded.tightest_ratio) == (3, 0.0, 0.75)
    assert bounded.ratio_quartiles == (0.1875, 0.25, 0.5)  # of 1/8, 1/4, 3/4
    assert bounded.smallest_case == "n=2 seed=1"
    assert "2 statements, 5 examples in" in output
    line = next(line for line in output.splitlines() if line.lstrip().startswith("within-bound"))
    assert line.split() == "within-bound (Prop. 0): within-bound is true. 3 0 0.75 - -".split()  # noqa: SIM905


COUNTEREXAMPLE = """
STATEMENTS = (
    statement("printed", "counterexample to the text as printed: not at all"),
    statement("unseen", "counterexample to the text as printed: nobody knows one"),
    statement("minima"),
)

@pytest.mark.statement("printed")
def test_printed():
    observe_bound("printed", value=1e-12, bound=1.0, case="n=1")
    observe_counterexample("printed", value=3.0, bound=2.0, case="n=9")
    observe_counterexample("printed", value=2.5, bound=2.0, case="n=4")

@pytest.mark.statement("unseen")
def test_unseen():
    observe("unseen", residual=0, case="n=1")

@pytest.mark.statement("minima")
def test_minima():
    observe("minima", residual=0, case="n=1")
    stuck = [Stuck("saddle", loss, loss / 1e9, (1, 0, 3)) for loss in (2.0, 1.0)]
    observe_starts("minima", 5, [*stuck, Stuck("local minimum", 4.0, 0.0, (0, 1, 3))])
    observe_starts("minima", 2, [])
"""


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.long)])
def test_counterexamples_and_stuck_starts_have_columns_of_their_own(
    theory: RunPytest, tmp_path: Path, workers: str
) -> None:
    code, output = theory("--ledger", "ledger.jsonl", "-n", workers, counter=COUNTEREXAMPLE)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "not observed, so the session fails: unseen" in output
    minima, printed, unseen = ledger(tmp_path).values()
    assert (printed.examples, printed.worst_residual, printed.counterexample) == (3, 0.0, 1.0)
    assert (printed.tightest_ratio, printed.smallest_case) == (1e-12, "n=4")
    assert printed.verdict == "counterexample to the text as printed: not at all"
    assert (unseen.verdict, unseen.counterexample) == ("not observed", None)
    assert minima.starts is not None
    assert (minima.starts.count, minima.starts.stuck_count) == (7, 3)
    local, saddle = minima.starts.stuck
    assert (local.kind, local.count, local.negative, local.zero, local.positive) == ("local minimum", 1, 0, 1, 3)
    assert (saddle.kind, saddle.count, saddle.lowest_loss, saddle.highest_loss) == ("saddle", 2, 1.0, 2.0)
    assert saddle.gradient == 2e-9
    assert "3 of 7" in output


def test_a_failing_test_gives_violated_and_a_silent_one_not_observed(theory: RunPytest, tmp_path: Path) -> None:
    code, output = theory("--ledger", "ledger.jsonl", failing=FAILING)
    assert code == pytest.ExitCode.TESTS_FAILED
    few, silent = ledger(tmp_path).values()
    assert (few.verdict, few.smallest_case) == ("violated", "n=7")
    assert few.worst_residual is not None
    assert few.worst_residual >= 1
    assert (silent.verdict, silent.examples, silent.worst_residual) == ("not observed", 0, None)
    assert "n=7" in output
    assert "@reproduce_failure" in output
    assert "not observed, so the session fails: silent" in output


def test_a_test_that_observes_nothing_fails_the_session_by_itself(theory: RunPytest) -> None:
    code, output = theory("-k", "silent", failing=FAILING)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "1 passed, 2 deselected" in output


@pytest.mark.parametrize(
    "arguments", [("-k", "again"), ("test_counter.py::test_again",)], ids=["deselected", "by name"]
)
def test_a_statement_may_be_observed_by_a_test_that_is_left_out(theory: RunPytest, arguments: tuple[str, ...]) -> None:
    content = """
        STATEMENTS = (statement("few"),)

        @pytest.mark.statement("few")
        def test_few():
            observe("few", residual=0, case="n=1")

        @pytest.mark.statement("few")
        def test_again():
            observe_counterexample("few", value=3.0, bound=2.0, case="n=9")
    """
    code, output = theory(*arguments, counter=textwrap.dedent(content))
    assert code == pytest.ExitCode.OK, output
    assert "the session fails" not in output


def test_statements_of_deselected_tests_are_left_out_of_the_table(theory: RunPytest) -> None:
    code, output = theory("-k", "passes", failing=FAILING)
    assert code == pytest.ExitCode.OK, output
    assert "1 statements, 1 examples" in output
    assert "2 tests were left out" in output


def test_counterexamples_alone_do_not_support_a_statement_that_holds(theory: RunPytest) -> None:
    observed = """
        STATEMENTS = (statement("few"),)

        @pytest.mark.statement("few")
        def test_few():
            observe_counterexample("few", value=3.0, bound=2.0, case="n=9")
    """
    code, output = theory(counter=textwrap.dedent(observed))
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "not observed" in output


def test_a_statement_without_a_test_fails_the_session_unless_tests_are_asked_for_by_name(
    theory: RunPytest, tmp_path: Path
) -> None:
    code, output = theory("--ledger", "ledger.jsonl", orphan=ORPHAN)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert {row.name: row.verdict for row in ledger(tmp_path).values()} == {"orphan": "not observed", "tested": "holds"}
    code, output = theory("test_orphan.py::test_tested", orphan=ORPHAN)
    assert code == pytest.ExitCode.OK, output


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_observations_of_xdist_workers_are_collected(theory: RunPytest, tmp_path: Path, workers: str) -> None:
    files = {"failing": FAILING, "holding": HOLDING}
    theory("--ledger", "ledger.jsonl", **files)
    alone = ledger(tmp_path)
    code, output = theory("--ledger", "ledger.jsonl", "-n", workers, **files)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert without_time(ledger(tmp_path)) == without_time(alone)


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
