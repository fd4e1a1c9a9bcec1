"""What a test observes of a statement, and the table of all that was observed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import execnet
import pytest
from rich.console import Console

from theory_checks import observing
from theory_checks.ledger import Entry, Ledger
from theory_checks.observing import Examples, Page, Statement, open_page, smallest
from theory_checks.table import ledger_table


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_table_says_every_word_at_any_width(width: int) -> None:
    verdict = "holds with assumption: the embeddings span R^d; below full rank maps that fit exactly need not compose"
    entry = Entry(Statement("cor-1-span", "Maps that fit all embeddings compose.", "Cor. 1", verdict))
    entry.examples = Examples([1e-14], [0.5], [2.0], cases=["dihedral 2 seed=0"], starts=4)
    shown = io.StringIO()
    Console(file=shown, width=width).print(ledger_table([entry.row("0")]))
    assert max(map(len, shown.getvalue().splitlines())) <= width
    words = " ".join(line[: width - 44] for line in shown.getvalue().splitlines()).split()
    assert verdict.split() == words[words.index("verdict:") + 1 :][: len(verdict.split())]
    assert words[-4:] == ["case:", "dihedral", "2", "seed=0"]


STATEMENT = Statement("known", "Known.", "Prop. 0", "holds")


@pytest.fixture
def page() -> Iterator[Page]:
    opened = Page((STATEMENT,))
    open_page(opened)
    yield opened
    open_page(None)


@pytest.mark.parametrize(
    ("observe", "message"),
    [
        (lambda: observing.observe("other", residual=0.0, case="n=1"), "its statement marks say known"),
        (lambda: observing.observe("known", residual=float("nan"), case="n=1"), "residual is nan"),
        (lambda: observing.observe("known", residual=-1.0, case="n=1"), r"residual is -1\.0"),
        (lambda: observing.observe_bound("known", value=1.0, bound=float("inf"), case="n=1"), "bound is inf"),
        (lambda: observing.observe_counterexample("known", value=1.0, bound=2.0, case="n=1"), r"size is -1\.0"),
        (
            lambda: observing.observe_starts("known", 1, [observing.Stuck("saddle", 1.0, float("nan"), (1, 0, 0))]),
            "gradient is nan",
        ),
    ],
)
def test_invalid_observations_are_refused(page: Page, observe: Callable[[], None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        observe()
    assert not any(found.residuals or found.counterexamples or found.starts for found in page.examples.values())


def test_observing_outside_a_test_is_refused() -> None:
    open_page(None)
    with pytest.raises(RuntimeError, match="outside a test"):
        observing.observe("known", residual=0.0, case="n=1")


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


def test_a_page_is_the_same_after_its_way_between_processes(page: Page) -> None:
    """Of the cases, the smallest and the last one arrive."""
    observing.observe_bound("known", value=0.5, bound=1.0, case="n=1")
    observing.observe("known", residual=1.5, case="n=3")
    observing.observe_counterexample("known", value=3.0, bound=2.0, case="n=2")
    observing.observe_starts("known", 5, [observing.Stuck("saddle", 1.0, 2e-9, (1, 0, 3))])
    sent = pytest.TestReport("test_known", ("test.py", 0, "test_known"), {}, "passed", None, "call")
    sent.theory = {"page": page.plain()}
    report = pytest.TestReport._from_json(execnet.loads(execnet.dumps(sent._to_json())))
    alone, arrived = Ledger(), Ledger()
    alone.add(page.plain(), seconds=1.0, failed=False, marked=["known"])
    arrived.add(report.theory["page"], seconds=1.0, failed=False, marked=["known"])
    assert arrived.rows("0") == alone.rows("0")
    (row,) = arrived.rows("0")
    assert (row.examples, row.worst_residual, row.tightest_ratio, row.counterexample) == (3, 1.5, 0.5, 1.0)
    assert (row.smallest_case, row.starts and row.starts.stuck_count) == ("n=1", 1)
