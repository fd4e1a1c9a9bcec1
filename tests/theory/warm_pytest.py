"""Run pytest many times with the slow imports made once: every run is a fork of this process.

It imports more modules first, if it is told to, and the plugins of pytest that take part. It gets pairs of a folder and
arguments, and answers each with an exit code and the output, until it gets None. The code under test is not imported
here, so that each run imports it from its own folder.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
import tempfile
import warnings
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from pathlib import Path

import hypothesis
import pydantic
import pytest
import rich.console
import rich.table
import scipy.optimize
import scipy.stats
import torch

logging.disable(logging.WARNING)  # geomstats announces its backend
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import geomstats.backend
logging.disable(logging.NOTSET)

PRELOADED = (geomstats.backend, hypothesis, pydantic, rich, scipy.optimize, scipy.stats, torch)


def main(pipe: Connection, modules: tuple[str, ...]) -> None:
    """Answer until there is nothing more to do."""
    sys.path[:0] = [folder for folder in os.environ["PYTHONPATH"].split(os.pathsep) if folder]
    for name in modules:
        importlib.import_module(name)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    gc.freeze()  # a fork does not search what is imported already
    while (wanted := pipe.recv()) is not None:
        folder, arguments = wanted
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if child == 0:
                run(Path(folder), list(arguments), output.fileno())
            _, status = os.waitpid(child, 0)
            output.seek(0)
            answer = (os.waitstatus_to_exitcode(status), output.read().decode())
        pipe.send(answer)


def run(folder: Path, arguments: list[str], output: int) -> None:
    """Run pytest and end the process with its exit code; never returns."""
    for stream in (1, 2):
        os.dup2(output, stream)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    code = 70
    try:
        code = int(pytest.main(arguments))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
