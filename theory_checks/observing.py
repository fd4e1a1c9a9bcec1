"""What a test observes of a statement.

A test calls one of :func:`observe`, :func:`observe_bound`, :func:`observe_counterexample` and :func:`observe_starts`
once per example, before its assertions, so that a failing example is in the ledger. conftest.py opens a page for every
test and attaches it to the test's report, so that it works with pytest-xdist.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from care_bench.artifacts.ledger import ASSUMPTION, COUNTEREXAMPLE, HOLDS


@dataclass(frozen=True)
class Statement:
    """One statement of the theory.

    Attributes:
        id: unique, kebab case.
        text: the statement in one sentence.
        source: where it stands, such as "Prop. 1".
        verdict: what passing tests show: "holds", "holds with assumption: ..." or
            "counterexample to the text as printed: ...".

    Raises:
        ValueError: the verdict is none of the three.
    """

    id: str
    text: str
    source: str
    verdict: str

    def __post_init__(self) -> None:
        outcome, _, which = self.verdict.partition(": ")
        if outcome not in ((ASSUMPTION, COUNTEREXAMPLE) if which else (HOLDS,)):
            raise ValueError(
                f"{self.id}: the verdict is {self.verdict!r}; expected {HOLDS!r}, '{ASSUMPTION}: ...' or "
                f"'{COUNTEREXAMPLE}: ...'"
            )


@dataclass(frozen=True)
class Stuck:
    """A minimisation that did not end at zero.

    Attributes:
        kind: "local minimum", "saddle", "collapsed" or "not converged".
        loss: where it ended.
        gradient: the largest entry of the gradient there.
        signature: the numbers of negative, zero and positive eigenvalues of the Hessian there.
    """

    kind: str
    loss: float
    gradient: float
    signature: tuple[int, int, int]


@dataclass
class Examples:
    """The examples of one statement.

    Attributes:
        residuals: by how much each misses the statement; 0 is exact.
        ratios: left side / bound, of the examples of an inequality.
        counterexamples: by how much each contradicts the statement as printed, or without its assumption.
        excesses: left side / bound, of the counterexamples to an inequality.
        cases: the examples in short.
        counterexample_cases: the counterexamples in short.
        starts: how many minimisations were started.
        stuck: those that did not end at zero.
    """

    residuals: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    counterexamples: list[float] = field(default_factory=list)
    excesses: list[float] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    counterexample_cases: list[str] = field(default_factory=list)
    starts: int = 0
    stuck: list[Stuck] = field(default_factory=list)

    def add(self, other: Examples) -> None:
        """Add the examples of another test."""
        for found in dataclasses.fields(self):
            setattr(self, found.name, getattr(self, found.name) + getattr(other, found.name))

    def plain(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, strings and numbers, to be sent between processes.

        Only the smallest and the last case are sent: hypothesis runs the smallest failing example last.
        """
        sent = [[smallest(cases), cases[-1]] if cases else [] for cases in (self.cases, self.counterexample_cases)]
        return dataclasses.asdict(dataclasses.replace(self, cases=sent[0], counterexample_cases=sent[1]))

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Examples:
        """Return the examples that :meth:`plain` describes."""
        return cls(**plain | {"stuck": [Stuck(**found) for found in plain["stuck"]]})


@dataclass
class Page:
    """What one test observed of each of its statements."""

    statements: tuple[Statement, ...]
    examples: dict[str, Examples] = field(default_factory=dict)

    def of(self, statement: str) -> Examples:
        """Return the examples of a statement of the test, to be added to."""
        known = [known.id for known in self.statements]
        if statement not in known:
            raise ValueError(
                f"this test observes {statement!r}; its statement marks say {', '.join(known) or 'nothing'}"
            )
        return self.examples.setdefault(statement, Examples())

    def plain(self) -> dict[str, Any]:
        """Return the page as plain dictionaries, lists, strings and numbers, to be sent between processes."""
        return {
            "statements": [dataclasses.asdict(statement) for statement in self.statements],
            "examples": {key: examples.plain() for key, examples in self.examples.items()},
        }


_open_page: Page | None = None


def open_page(page: Page | None) -> None:
    """Make ``page`` the one that is written to; None closes it."""
    global _open_page
    _open_page = page


def observe(statement: str, *, residual: float, case: str) -> None:
    """Note one example of an equality.

    Args:
        statement: id of a statement that the running test is marked with.
        residual: how far the example is from what the statement says; 0 is exact.
        case: the example in short, sizes first ("n=2 d=1 seed=0"). The smallest is the one whose numbers, read
            from left to right, come first.

    Raises:
        ValueError: the statement is not the test's, or a number is negative or not finite.
        RuntimeError: no test is running.
    """
    examples = _examples(statement)
    examples.residuals.append(_size(statement, "residual", residual))
    examples.cases.append(case)


def observe_bound(statement: str, *, value: float, bound: float, case: str) -> None:
    """Note one example of an inequality, value <= bound: its residual is what the value has above the bound.

    Args:
        statement: as in :func:`observe`, which says what is raised as well.
        value: the left side.
        bound: the right side; the ledger keeps value / bound where it is not zero.
        case: as in :func:`observe`.
    """
    value, bound = _size(statement, "value", value), _size(statement, "bound", bound)
    observe(statement, residual=max(0.0, value - bound), case=case)
    if bound:
        _examples(statement).ratios.append(value / bound)


def observe_counterexample(statement: str, *, value: float, bound: float = 0.0, case: str) -> None:
    """Note one example that contradicts the statement as it is printed, or without the assumption of its verdict.

    Args:
        statement: as in :func:`observe`, which says what is raised as well.
        value: what the statement says is at most ``bound``.
        bound: what the statement allows; the ledger keeps value - bound, and value / bound where it is not zero.
        case: as in :func:`observe`.
    """
    examples = _examples(statement)
    value, bound = _size(statement, "value", value), _size(statement, "bound", bound)
    examples.counterexamples.append(_size(statement, "size", value - bound))
    examples.counterexample_cases.append(case)
    if bound:
        examples.excesses.append(value / bound)


def observe_starts(statement: str, count: int, stuck: Iterable[Stuck]) -> None:
    """Note how many minimisations were started, and those of them that did not end at zero.

    Args:
        statement: as in :func:`observe`, which says what is raised as well.
        count: of all.
        stuck: those that did not end at zero.
    """
    examples, found = _examples(statement), list(stuck)
    for start in found:
        for name, number in (("loss", start.loss), ("gradient", start.gradient)):
            _size(statement, name, number)
    examples.starts += count
    examples.stuck += found


def _examples(statement: str) -> Examples:
    if _open_page is None:
        raise RuntimeError(f"{statement} is observed outside a test; expected a call from within a running test")
    return _open_page.of(statement)


def _size(statement: str, name: str, number: float) -> float:
    if not (number >= 0 and math.isfinite(number)):
        raise ValueError(f"{statement}: the {name} is {number}; expected a finite number >= 0")
    return float(number)


def sizes(a: Tensor) -> str:
    """Return how the case of (n, d) embeddings begins: "n=2 d=1"."""
    return f"n={len(a)} d={a.shape[1]}"


def smallest(cases: Iterable[str]) -> str:
    """Return the case whose numbers, compared from left to right, are smallest; the first of equal ones."""
    return min(cases, key=lambda case: [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", case)])
