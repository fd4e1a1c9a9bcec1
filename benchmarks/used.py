"""Processor time and memory of a process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_WATCH = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Starts a command and prints what it used. It is small: a process begins with the memory of the one that starts it."""


@dataclass(frozen=True)
class Used:
    """Processor time in seconds and most memory in bytes of a process."""

    seconds: float
    memory: float


def used(module: str, *arguments: str | Path) -> Used:
    """Run a module as ``python -m`` does, without showing what it prints, and return what it used.

    Raises:
        subprocess.CalledProcessError: it did not end with exit code 0.
    """
    command = [sys.executable, "-c", _WATCH, sys.executable, "-m", module, *arguments]
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    seconds, memory = map(float, ended.stdout.split())
    return Used(seconds, memory * (1 if sys.platform == "darwin" else 1024))
