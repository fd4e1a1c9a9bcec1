"""Killing a piece of work with SIGKILL at every one of its file operations, one after the other."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OPERATIONS = ("open", "pwrite", "fsync", "replace", "unlink", "chmod")
KILLED = -signal.SIGKILL


def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python on the package and the tests of this folder; returns when its workers are gone too."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=300, env=environment
    )


def kill_everywhere(folder: Path, work: Callable[[Path], None]) -> list[Path]:
    """Start the work in a new folder for each of its file operations, and kill it there.

    To be called in a process without threads, in which nothing is flushed to the disk from then on: only the process
    dies, not the machine. Returns the folders, in the order of the operations; the last one has
    the whole work.
    """
    os.fsync = lambda descriptor: None
    for number in itertools.count(1):
        place = folder / f"{number:03d}"
        child = os.fork()
        if child == 0:
            _kill_at(number)
            try:
                work(place)
            finally:
                os._exit(sys.exc_info()[0] is not None)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert status == 0, "the work failed"
            break
    return sorted(folder.iterdir())


def _kill_at(number: int) -> None:
    """Kill this process at its n-th file operation; half of what is to be written in place is still written."""
    numbers = itertools.count(1)

    def dying(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def operation(*arguments: Any, **options: Any) -> Any:
            if next(numbers) == number:
                if name == "pwrite":
                    file, content, offset = arguments
                    real(file, content[: len(content) // 2], offset)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return operation

    for name in OPERATIONS:
        setattr(os, name, dying(name))
