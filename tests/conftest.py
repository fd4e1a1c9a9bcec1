"""Makes test runs independent of the terminal, the home folder and the caller's settings."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

import care_bench
from tests.forked_python import serve_python

ROOT = Path(__file__).parents[1]
LEFT_OUT = (
    *("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),  # rich reads these
    *("PY_COLORS", "PYTEST_ADDOPTS"),  # a pytest started by a test would read these
)


@pytest.fixture(autouse=True, scope="session")
def _same_everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Plain output of the default width and writable caches, here and in the commands that tests start.

    These commands have one thread, and the package under test and the tests on their path.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in LEFT_OUT:
            patch.delenv(name, raising=False)
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):  # matplotlib and snakemake need them
            patch.setenv(name, str(tmp_path_factory.mktemp("home")))
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (Path(care_bench.__file__).parents[1], ROOT))))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def forked_python() -> Iterator[Path]:
    """A program ``python`` that starts at once."""
    with serve_python() as program:
        yield program


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the prepared digits and proteins, which no test changes."""
    from care_bench.data import prepare  # imports torch

    root = tmp_path_factory.mktemp("data")
    for name in ("digits", "proteins"):
        prepare(name, root)
    return root


def pytest_configure() -> None:
    """Search for no garbage while the tests are imported: there is none, and much to search."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave what is imported out of every later search, until the end, and search more rarely than by default."""
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


def pytest_sessionfinish() -> None:
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many faults that tests/faults injected ended in which way."""
    counts: dict[str, Counter[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "call" else ():
                if name == "faults":
                    counts.setdefault(value[0], Counter()).update(value[1])
    if counts:
        columns = ("held", "one line", "traceback", "silent")
        table = Table("fault", *columns, title="Injected faults and how they ended")
        for kind, found in sorted(counts.items()):
            table.add_row(kind, *(str(found[column]) for column in columns))
        Console(width=100).print(table)
