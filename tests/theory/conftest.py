"""One process that runs pytest many times, with the slow imports made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.forks import start_fork

ROOT = Path(__file__).parents[2]
WARM = ("theory_checks.ledger", "theory_checks.observing", "theory_checks.strategies", "theory_checks.table")
HEAD = """
import pytest
from hypothesis import given, strategies as st
from theory_checks.observing import Statement, Stuck, observe, observe_bound, observe_counterexample, observe_starts

def statement(name, verdict="holds"):
    return Statement(name, f"{name} is true.", "Prop. 0", verdict)
"""

HOLDING = """
STATEMENTS = (statement("exact"), statement("within-bound", "holds with assumption: it is Monday"))

@pytest.mark.statement("exact", "within-bound")
def test_both():
    for n, value in ((10, 0.5), (2, 3.0), (7, 1.0)):
        observe_bound("within-bound", value=value, bound=4.0, case=f"n={n} seed=1")
    observe_bound("exact", value=0, bound=0, case="n=1")

@pytest.mark.statement("exact")
def test_exact():
    observe("exact", residual=1e-15, case="n=3")
"""
FAILING = """
STATEMENTS = (statement("few"), statement("silent"))

@pytest.mark.statement("few")
@given(st.integers(0, 1000))
def test_few(n):
    observe_bound("few", value=n, bound=6, case=f"n={n}")
    assert n < 7

@pytest.mark.statement("few")
def test_few_passes():
    observe("few", residual=0, case="n=0")

@pytest.mark.statement("silent")
def test_silent():
    assert True
"""


class Outcome(NamedTuple):
    """How pytest ended and what it printed."""

    code: int
    output: str


RunPytest = Callable[..., Outcome]


@contextmanager
def warm_pytest(path: Path | None = None, modules: Iterable[str] = ()) -> Iterator[RunPytest]:
    """Start ``warm_pytest.py`` in a fork, and yield a function that runs pytest in a folder.

    Args:
        path: its PYTHONPATH.
        modules: what it imports once for all runs, besides what the theory checks need.
    """
    pipe, other = Pipe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEOMSTATS_BACKEND", "numpy")
        patch.setenv("PYTHONPATH", str(path or ""))
        process = start_fork(_serve, other, tuple(modules))

    def run(folder: Path, *arguments: str) -> Outcome:
        pipe.send((str(folder), arguments))
        return Outcome(*pipe.recv())

    yield run
    pipe.send(None)
    process.join()


def _serve(pipe: Connection, modules: tuple[str, ...]) -> None:
    from tests.theory.warm_pytest import main  # in the fork alone: it imports geomstats

    main(pipe, modules)


@pytest.fixture(scope="module")
def warm() -> Iterator[RunPytest]:
    with warm_pytest(ROOT, WARM) as run:
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
