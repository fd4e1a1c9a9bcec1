"""One process that runs pytest many times, with the slow imports made once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """How pytest ended and what it printed."""

    code: int
    output: str


RunPytest = Callable[..., Outcome]


@contextmanager
def warm_pytest(path: Path | None = None, modules: Iterable[str] = ()) -> Iterator[RunPytest]:
    """Start ``warm_pytest.py``, and yield a function that runs pytest in a folder.

    Args:
        path: its PYTHONPATH.
        modules: what it imports once for all runs, besides what the theory checks need.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GEOMSTATS_BACKEND": "numpy", "PYTHONPATH": str(path or "")}
    command = [sys.executable, str(Path(__file__).with_name("warm_pytest.py")), *modules]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin
        assert process.stdout
        requests, answers = process.stdin, process.stdout

        def run(folder: Path, *arguments: str) -> Outcome:
            print(json.dumps({"folder": str(folder), "arguments": arguments}), file=requests, flush=True)
            return Outcome(**json.loads(answers.readline()))

        yield run
