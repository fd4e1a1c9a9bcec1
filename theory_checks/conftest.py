"""The pytest plugin of the theory checks: profiles, a verdict per statement, a table at the end, the ledger as a file.

pytest theory_checks/                                  40 examples per check, the same ones every time
pytest theory_checks/ --hypothesis-profile=thorough    400 examples per check, new ones every time
pytest theory_checks/ --ledger PATH                    writes one JSON line per statement, if all checks ran
"""

from __future__ import annotations

import importlib
import logging
import os
import time
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from care_bench.artifacts import LedgerRow, code_version, write_ledger
from care_bench.errors import CareBenchError
from theory_checks.ledger import Ledger
from theory_checks.observing import Page, Statement, open_page
from theory_checks.table import LEGEND, console, ledger_table, stuck_table
from theory_checks.whole import Whole

# geomstats picks its backend when first imported, announces it, and trips over its own import hook on Python 3.11.
os.environ["GEOMSTATS_BACKEND"] = "numpy"
logging.getLogger("geomstats").setLevel(logging.WARNING)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    importlib.import_module("geomstats")

_COMMON: dict[str, Any] = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("default", max_examples=40, derandomize=True, **_COMMON)
settings.register_profile("thorough", max_examples=400, derandomize=False, **_COMMON)
settings.load_profile("default")  # --hypothesis-profile is applied later and wins

_PAGE = pytest.StashKey[Page]()
_ENDED = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --ledger."""
    parser.addoption("--ledger", metavar="PATH", type=Path, help="write one JSON line per statement checked")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark and start the ledger."""
    config.addinivalue_line("markers", "statement(id): the statement of the theory that a check speaks for")
    config.pluginmanager.register(LedgerPlugin(config), "theory-ledger")


class LedgerPlugin:
    """Opens a page for every test, gathers the pages from the tests' reports, prints the table and writes the file."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.ledger = Ledger()
        self.version = code_version()
        self.whole = Whole(config)
        self.left_out: list[list[str]] = []  # the statements of every test that was deselected
        self.started = time.perf_counter()
        self.trouble: str | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Give every item its page: the statements it is marked with, and those of its module without any test.

        This runs before -k and -m deselect items. A statement whose tests are all deselected is left out of the table;
        one without any test is in it as not observed, unless tests were selected by name.
        """
        self.whole.collect(item.nodeid for item in items)
        declared = _declared(items)
        marked = {mark for item in items for mark in _marks(item)}
        if unknown := sorted(marked - declared.keys()):
            raise pytest.UsageError(f"statement marks {', '.join(unknown)}: not in STATEMENTS of any module collected")
        by_name = any("::" in argument for argument in self.config.args)
        for item in items:
            orphans = [] if by_name else [orphan for orphan in _statements(item) if orphan.id not in marked]
            item.stash[_PAGE] = Page((*(declared[mark] for mark in _marks(item)), *orphans))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Note the tests that a worker has collected: this process collects none then."""
        self.whole.collect(ids)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note the tests that -k and -m deselected."""
        self.left_out += map(_marks, items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Let observe() write to the item's page."""
        open_page(item.stash[_PAGE])
        try:
            return (yield)
        finally:
            open_page(None)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the page to the report of the test's call, which pytest-xdist sends between processes."""
        report = yield
        page = item.stash[_PAGE] if report.when == "call" else Page(item.stash[_PAGE].statements)
        report.theory = {"page": page.plain(), "marked": _marks(item), "left_out": self.left_out}
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the page to the ledger."""
        theory = getattr(report, "theory", None)
        if theory is not None:
            self.ledger.add(theory["page"], seconds=report.duration, failed=report.failed, marked=theory["marked"])
            self.left_out = theory["left_out"]
            self.whole.report(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the session if a statement was not observed, and write the ledger if the session ran to its end."""
        if hasattr(self.config, "workerinput"):
            return
        status = session.exitstatus
        if status == pytest.ExitCode.OK and self.not_observed:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        path: Path | None = self.config.getoption("--ledger")
        if path is None:
            return
        if status not in _ENDED or session.shouldfail or session.shouldstop:
            self.trouble = f"ledger {path} not written: the run did not come to its end"
            return
        rows = self.rows()
        if missing := self.whole.missing(len(self.left_out)) or ("" if rows else "no statement was checked"):
            self.trouble = f"ledger {path} not written: {missing}; expected all checks, as of `pytest theory_checks/`"
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return
        try:
            write_ledger(path, rows)
        except CareBenchError as error:
            self.trouble = str(error)
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    @property
    def not_observed(self) -> list[str]:
        """Ids of the statements that no test observed, although none of their tests was left out."""
        if any("::" in argument for argument in self.config.args):
            return []
        elsewhere = {mark for marks in self.left_out for mark in marks}
        return [name for name in self.ledger.not_observed if name not in elsewhere]

    def rows(self) -> list[LedgerRow]:
        """Return the lines of the ledger."""
        return self.ledger.rows(self.version)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the ledger as a table."""
        rows = self.rows()
        if rows:
            terminalreporter.section("theory")
            printed = console(terminalreporter._tw, terminalreporter.isatty)
            printed.print(ledger_table(rows))
            if stuck := stuck_table(rows):
                printed.print(stuck)
            printed.print("\n".join(LEGEND))
            examples, seconds = sum(row.examples for row in rows), time.perf_counter() - self.started
            terminalreporter.write_line(
                f"{len(rows)} statements, {examples} examples in {seconds:.1f} s: {examples / seconds:.0f} a second"
            )
            if self.left_out:
                terminalreporter.write_line(f"{len(self.left_out)} tests were left out, with their examples")
        if missing := self.not_observed:
            terminalreporter.write_line(f"not observed, so the session fails: {', '.join(missing)}", red=True)
        if self.trouble:
            terminalreporter.write_line(self.trouble, red=True)


def _declared(items: list[pytest.Item]) -> dict[str, Statement]:
    """Return the statements of all modules by id, refusing two that share one."""
    declared: dict[str, Statement] = {}
    for module_statements in {id(found): found for found in map(_statements, items)}.values():
        for statement in module_statements:
            if declared.setdefault(statement.id, statement) is not statement:
                raise pytest.UsageError(f"two statements have the id {statement.id}; expected one")
    return declared


def _statements(item: pytest.Item) -> tuple[Statement, ...]:
    return getattr(item.module, "STATEMENTS", ()) if isinstance(item, pytest.Function) else ()


def _marks(item: pytest.Item) -> list[str]:
    """Return the ids of the statements that an item is marked with, the nearest mark last."""
    return [identifier for mark in item.iter_markers("statement") for identifier in mark.args]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Generator[None]:
    """Use one thread: the matrices are tiny, so more threads only wait and slow a busy machine down many times."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)
