"""Whether a run of pytest was one of all checks: each file collected, no test left out, and each one at its end.

A ledger of some checks would lack statements without a word, violated ones too.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

LISTED = 3
"""Most files or tests that are named."""


class Whole:
    """The tests of a run, by their ids, which pytest-xdist sends between processes.

    Attributes:
        collected: all tests that were collected.
        ended: those that passed or failed. One that was skipped, or whose process broke down, is not among them.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.collected: set[str] = set()
        self.ended: set[str] = set()

    def collect(self, tests: Iterable[str]) -> None:
        """Note tests that were collected."""
        self.collected.update(tests)

    def report(self, report: pytest.TestReport) -> None:
        """Note a test that failed, or whose call came to its end."""
        if report.failed or (report.when == "call" and report.passed):
            self.ended.add(report.nodeid)

    def missing(self, deselected: int) -> str:
        """Say what was left out, in one line; empty if nothing was.

        Args:
            deselected: how many tests -k, -m and the like took out.
        """
        folders = {argument: self.config.invocation_params.dir / argument for argument in self.config.args}
        if named := [argument for argument, path in folders.items() if not path.is_dir()]:
            return f"only {named[0]} was asked for"
        if deselected:
            return f"{deselected} tests were left out"
        files = {file.resolve() for folder in folders.values() for file in folder.rglob("test_*.py")}
        seen = {(self.config.rootpath / test.partition("::")[0]).resolve() for test in self.collected}
        if unseen := sorted(file.name for file in files - seen):
            return f"{_first(unseen)} left out"
        if unfinished := sorted(self.collected - self.ended):
            return f"{len(unfinished)} tests did not run: {_first(unfinished)}"
        return ""


def _first(names: list[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
