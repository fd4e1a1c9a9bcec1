"""Runs commands without repeating slow imports, and returns their output and exit code.

``run_care_bench`` and ``run_report`` run in this process; ``run_forked`` runs any module in a fork of a process that
has imported PRELOADED once. A fresh process is for what depends on one: what a command imports, limits, the order of
sets, the end of its output.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from care_bench.__main__ import main as care_bench
from care_bench.report.__main__ import main as report
from care_bench.terminal import STOP_SIGNALS

ROOT = Path(__file__).parents[1]
PRELOADED = ["snakemake.cli", "sklearn.linear_model", "lightning_fabric"]


class Ended(NamedTuple):
    """What a command has left, with the names that a process has."""

    returncode: int
    stdout: str
    stderr: str


def run_care_bench(*arguments: str | Path, cwd: Path = ROOT) -> Ended:
    """Run ``care-bench`` with these arguments in a folder."""
    return _run(care_bench, arguments, cwd)


def run_report(*arguments: str | Path, cwd: Path = ROOT) -> Ended:
    """Run ``python -m care_bench.report`` with these arguments in a folder."""
    return _run(report, arguments, cwd)


def run_forked(module: str, *arguments: object, cwd: Path, path: tuple[Path, ...] = ()) -> Ended:
    """Run ``python -m module`` with these arguments in a folder, with extra folders first on the path."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, path), os.environ["PYTHONPATH"]])}
    with tempfile.TemporaryDirectory() as folder:
        streams = (Path(folder) / "stdout", Path(folder) / "stderr")
        process = context.Process(
            target=_run_module,
            args=(module, list(map(str, arguments)), cwd, list(map(str, path)), environment, streams),
        )
        process.start()
        process.join()
        assert process.exitcode is not None
        return Ended(process.exitcode, *(stream.read_text() for stream in streams))


def _run_module(
    module: str,
    arguments: list[str],
    cwd: Path,
    path: list[str],
    environment: dict[str, str],
    streams: tuple[Path, Path],
) -> None:
    """Become ``python -m module``."""
    for number, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[:0] = [str(cwd), *path]
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


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
