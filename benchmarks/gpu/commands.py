"""Commands of care_bench in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.gpu.limit import Limit


def start(*arguments: object, hidden: bool = False) -> subprocess.Popen[str]:
    """Start a command; with ``hidden`` it sees no GPU."""
    environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": ""} if hidden else {})}
    command = [sys.executable, "-m", "care_bench", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def care_bench(*arguments: object, limit: Limit, hidden: bool = False) -> None:
    """Run a command to its end, or kill it when no time is left.

    Raises:
        OutOfTimeError: no time is left.
        RuntimeError: it failed; its last line.
    """
    seconds = limit.left()
    with start(*arguments, hidden=hidden) as process:
        try:
            _, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise limit.error() from None
    if process.returncode:
        raise RuntimeError((errors.strip().splitlines() or ["no message"])[-1])
