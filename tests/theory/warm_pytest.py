"""Run pytest many times with the slow imports made once: every run is a fork of this process.

Its arguments name more modules to import first; the installed plugins of pytest are imported too. It reads lines of
JSON, {"folder": ..., "arguments": [...]}, and answers each with a line {"code": ..., "output": ...}.
The code under test is not imported here, so that each run imports it from its own folder.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import sys
import tempfile
import warnings
from importlib.metadata import entry_points
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


def main() -> None:
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    gc.freeze()  # a fork does not search what is imported already
    for line in sys.stdin:
        wanted = json.loads(line)
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if child == 0:
                run(Path(wanted["folder"]), wanted["arguments"], output.fileno())
            _, status = os.waitpid(child, 0)
            output.seek(0)
            answer = {"code": os.waitstatus_to_exitcode(status), "output": output.read().decode()}
        print(json.dumps(answer), flush=True)


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


if __name__ == "__main__":
    main()
