"""Runs a function many times and kills it with SIGKILL, each time at the next of its file operations."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

OPERATIONS = ("open", "pwrite", "fsync", "replace", "unlink", "chmod")


def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python with the package and the tests on its path; returns when its workers have ended too."""
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=300)


def kill_everywhere(folder: Path, work: Callable[[Path], None]) -> list[Path]:
    """Run the work once per file operation, each time in a new folder, and kill it at that operation.

    Call this in a process without threads. ``fsync`` does nothing in it from then on, since only the process dies, not
    the machine. Returns the folders in the order of the operations; in the last one the work is complete.
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
    """Kill this process at its n-th file operation; a write in place is killed after half of its bytes."""
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
