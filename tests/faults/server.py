"""Runs commands of care_bench as forks of a process that has made the slow imports once, and disturbs them.

It answers every request until it gets None. A request starts a command, or waits for one that was started:

    {"arguments": [...], "folder": ..., "kill_at": n, "stop_at": n, "allow": [...], "patience": seconds}
    {"wait": pid, "patience": seconds}

The n-th file operation of the command below its folder kills it (SIGKILL) or stops it (SIGSTOP) before it is done. A
step of training counts as an operation too.
"""

from __future__ import annotations

import gc
import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

# What the commands import, so that no fork has to.
import lightning_fabric  # noqa: F401
import pandas as pd
import pyarrow.parquet  # noqa: F401
import pytest
import scipy.io
import scipy.stats  # noqa: F401
import sklearn.linear_model  # noqa: F401

import care_bench.__main__
import care_bench.cli
import care_bench.evaluation.run
import care_bench.report.build
import care_bench.training.pretrain as pretrain_module
from care_bench.artifacts import code_version
from care_bench.data import DATASETS
from care_bench.evaluation.protocols import PROTOCOLS
from tests.data import formats

EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
FOLDER = Path(tempfile.mkdtemp(prefix="care-bench-faults-"))


def main(pipe: Connection) -> None:
    pd.DataFrame({"a": ["b"]}).to_parquet(FOLDER / "warm.parquet")
    code_version()
    list(PROTOCOLS.values()), list(DATASETS)
    gc.freeze()  # a fork does not search what is imported already
    while (request := pipe.recv()) is not None:
        pid = request.get("wait") or start(request)
        pipe.send(state(pid, request["patience"]))


def start(request: dict[str, Any]) -> int:
    """Start a command and return its process number."""
    pid = os.fork()
    if pid == 0:
        try:
            _run(request)
        finally:
            os._exit(70)
    return pid


def state(pid: int, patience: float) -> dict[str, Any]:
    """Return what has become of a command after at most ``patience`` seconds: ended, stopped, or running."""
    deadline = time.monotonic() + patience
    while True:
        found, status = os.waitpid(pid, os.WUNTRACED | os.WNOHANG)
        if found and os.WIFSTOPPED(status):
            return {"pid": pid, "state": "stopped"}
        if found:
            return {"pid": pid, "state": "ended", "code": os.waitstatus_to_exitcode(status), **_said(pid)}
        if time.monotonic() > deadline:
            return {"pid": pid, "state": "running"}
        time.sleep(0.002)


def _said(pid: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("stdout", "stderr", "operations"):
        path = FOLDER / f"{pid}.{name}"
        found[name] = path.read_text(errors="replace") if path.exists() else ""
        path.unlink(missing_ok=True)
    return {**found, "operations": int(found["operations"] or 0)}


def _run(request: dict[str, Any]) -> None:
    """Run a command in this process and end it; never returns."""
    pid = os.getpid()
    for number, name in ((1, "stdout"), (2, "stderr")):
        descriptor = os.open(FOLDER / f"{pid}.{name}", os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["care-bench", *request["arguments"]]
    os.chdir(request["folder"])
    if request["allow"]:
        formats.allow(pytest.MonkeyPatch(), request["allow"][0], Path(request["allow"][1]))
    count = _watch(request)
    code = 0
    try:
        care_bench.__main__.main()
    except SystemExit as end:
        code = {None: 0}.get(end.code, end.code if isinstance(end.code, int) else 1)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    done = count()
    sys.stdout.flush()
    sys.stderr.flush()
    (FOLDER / f"{pid}.operations").write_text(str(done))
    os._exit(code)


def _watch(request: dict[str, Any]) -> Callable[[], int]:
    """Kill or stop this process at a file operation; returns a function that says how many there were."""
    folder, numbers = os.path.realpath(request["folder"]), itertools.count(1)
    at = {request.get("kill_at"): signal.SIGKILL, request.get("stop_at"): signal.SIGSTOP}
    done = 0
    watching = True

    def operation() -> None:
        nonlocal done
        done = next(numbers)
        if done in at:
            os.kill(os.getpid(), at[done])

    def below(path: object) -> bool:
        name = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        return bool(name) and (not Path(name).is_absolute() or os.path.realpath(name).startswith(folder))

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if not watching:
            return
        writes = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & WRITES)
        if (writes or event in EVENTS) and below(arguments[0]):
            operation()

    def after(function: Callable[..., Any]) -> Callable[..., Any]:
        def both(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            operation()
            return result

        return both

    def no_fsync(descriptor: int) -> None:
        operation()  # only the process dies, not the machine

    sys.addaudithook(audit)
    os.fsync = no_fsync
    os.pwrite = _half(os.pwrite, lambda: done + 1 == request.get("kill_at"), operation)
    pretrain_module.train_step = after(pretrain_module.train_step)

    def count() -> int:
        nonlocal watching
        watching = False
        return done

    return count


def _half(pwrite: Callable[..., int], dies: Callable[[], bool], operation: Callable[[], None]) -> Callable[..., int]:
    """A write in place, which is killed after half of its bytes."""

    def write(descriptor: int, content: bytes, offset: int) -> int:
        if dies():
            pwrite(descriptor, content[: len(content) // 2], offset)
        operation()
        return pwrite(descriptor, content, offset)

    return write
