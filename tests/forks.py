"""Runs modules as ``python -m`` does, in forks of a process that has made the slow imports of `preloaded.py` once.

It imports nothing of the package under test, so that every fork does.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple


class Ended(NamedTuple):
    """What a command has left, with the names that a process has."""

    returncode: int
    stdout: str
    stderr: str


def start_fork(work: Callable[..., object], *arguments: object) -> ForkServerProcess:
    """Start a function in a process that has made the slow imports, with the environment of this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.preloaded"])
    process = context.Process(target=_begin, args=(dict(os.environ), work, arguments))
    process.start()
    return process


def _begin(environment: dict[str, str], work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    gc.freeze()  # what is imported already is not searched for garbage
    os.environ.clear()
    os.environ.update(environment)
    work(*arguments)


def run_forked(
    module: str, *arguments: object, cwd: Path, path: tuple[Path, ...] = (), python: Path | None = None
) -> Ended:
    """Run ``python -m module`` with these arguments in a folder, with extra folders first on the path.

    ``python`` is the program that the module starts where it starts its own Python, if it is another.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, path), os.environ["PYTHONPATH"]])}
    with tempfile.TemporaryDirectory() as folder:
        streams = (Path(folder) / "stdout", Path(folder) / "stderr")
        process = start_fork(_run, module, list(map(str, arguments)), cwd, environment, streams, python)
        process.join()
        assert process.exitcode is not None
        return Ended(process.exitcode, *(stream.read_text() for stream in streams))


def _run(
    module: str,
    arguments: list[str],
    cwd: Path,
    environment: dict[str, str],
    streams: tuple[Path, Path],
    python: Path | None,
) -> None:
    for number, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT), number)
    if python is not None:
        sys.executable = str(python)
    become(module, arguments, cwd, environment)


def become(module: str, arguments: list[str], cwd: Path, environment: dict[str, str]) -> None:
    """Become ``python -m module`` in this process, which is a fork."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[:0] = [str(cwd), *environment["PYTHONPATH"].split(os.pathsep)]
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
