"""Runs a command of the package in this process, where torch is imported already: its output and its exit code.

A process of its own is for what depends on one: signals, what a command imports, limits, the order of sets, the end of
its output. `tests/forks.py` starts one without repeating slow imports.
"""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from care_bench.__main__ import main as care_bench
from care_bench.report.__main__ import main as report
from care_bench.terminal import STOP_SIGNALS
from tests.forks import Ended

ROOT = Path(__file__).parents[1]


def run_care_bench(*arguments: str | Path, cwd: Path = ROOT) -> Ended:
    """Run ``care-bench`` with these arguments in a folder."""
    return _run(care_bench, arguments, cwd)


def run_report(*arguments: str | Path, cwd: Path = ROOT) -> Ended:
    """Run ``python -m care_bench.report`` with these arguments in a folder."""
    return _run(report, arguments, cwd)


def _run(main: Callable[[], None], arguments: tuple[str | Path, ...], cwd: Path) -> Ended:
    """Run what a command runs, and restore the signal handlers and the hook that it has set for its process."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        patch.setattr(sys, "argv", ["care-bench", *map(str, arguments)])
        patch.setattr(sys, "unraisablehook", sys.unraisablehook)
        patch.chdir(cwd)
        try:
            with pytest.raises(SystemExit) as end:
                main()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    assert isinstance(end.value.code, int)
    return Ended(end.value.code, stdout.getvalue(), stderr.getvalue())
