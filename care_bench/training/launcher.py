"""Start and watch the ranks of a run with several devices, with the launcher behind ``torchrun``."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from care_bench.config import RunConfig
from care_bench.errors import CareBenchError
from care_bench.files import write_json
from care_bench.runs.folder import RunFolder
from care_bench.terminal import STOP_SIGNALS
from care_bench.training.interrupts import FAULT, RunInterruptedError, handle_stop_signals

LOOPBACK = "127.0.0.1"
UNRELATED = 20
"""Failures so many seconds after the first one cannot be its cause: after 30 seconds the launcher kills the others."""


def launch(config: RunConfig, data: Path, folder: RunFolder) -> None:
    """Train a run in one new process per device, and wait until all have ended.

    The ranks run :mod:`care_bench.training.rank` and not the calling script, which therefore needs no ``__main__``
    guard. A stop signal is passed on to them once; they have 30 seconds to save the state of the run.

    Args:
        config: the run.
        data: folder of prepared data sets.
        folder: folder of the run; rank 0 locks it and writes it.

    Raises:
        CareBenchError: the error that a rank reported, or the rank that was lost.
        RunInterruptedError: SIGTERM or SIGINT came.
    """
    with tempfile.TemporaryDirectory(prefix="care-bench-") as temporary:
        job = {"run": config.model_dump(mode="json"), "data": str(data), "out": str(folder.path)}
        write_json(Path(temporary) / "job.json", {**job, "launcher": os.getpid()})
        settings = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=config.training.devices,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint=f"{LOOPBACK}:0",  # 0: any free port
            local_addr=LOOPBACK,  # the name of the machine may not resolve
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=os.devnull),  # the ranks keep the output of this process
            signals_to_handle="",  # torch would not restore its handlers, and would override that of nohup
        )
        try:
            with handle_stop_signals(_stop_once), _quiet():
                elastic_launch(settings, sys.executable)("-m", "care_bench.training.rank", temporary)
        except SignalException as stop:
            name = signal.Signals(stop.sigval).name
            line = f"{config.id} stopped by {name}; the same command continues it from its last checkpoint"
            raise _reported(Path(temporary)) or RunInterruptedError(line, stop.sigval) from None
        except ChildFailedError as failed:
            Console(stderr=True).show_cursor()  # the progress bar of a lost rank hid it
            raise _reported(Path(temporary)) or _lost(config, failed.failures, Path(temporary)) from None


def _stop_once(number: int, frame: FrameType | None) -> NoReturn:
    """Let the launcher pass a signal on to the ranks; a second signal must not interrupt their saving."""
    for other in STOP_SIGNALS:
        signal.signal(other, lambda number, frame: None)  # with SIG_IGN Python prints an error if one is pending
    raise SignalException(f"received signal {number}", signal.Signals(number))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's launcher from logging and from leaving its variable in the environment."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
        os.environ.pop("TORCHELASTIC_SIGNALS_TO_HANDLE", None)


def _reported(temporary: Path) -> CareBenchError | None:
    """Return the CareBenchError that ended a rank, of rank 0 if it has one; None if no rank reported one."""
    for path in sorted(temporary.glob("rank*.json"), key=lambda path: int(path.stem.removeprefix("rank"))):
        report = json.loads(path.read_text())
        if report["exit_code"] > 128:
            return RunInterruptedError(report["message"], report["exit_code"] - 128)
        if report["exit_code"] != FAULT:
            return CareBenchError(report["message"])
    return None


def _lost(config: RunConfig, failures: Mapping[int, ProcessFailure], temporary: Path) -> CareBenchError:
    """Name the rank that failed first for a reason of its own: killed from outside, or else by an error."""
    first = min(failure.timestamp for failure in failures.values())

    def order(rank: int) -> tuple[bool, int, int]:
        failure = failures[rank]
        # The launcher sends SIGTERM to the others, and a process aborts when its peers are gone.
        consequence = {-signal.SIGTERM: 2, -signal.SIGABRT: 1}.get(failure.exitcode, int(failure.exitcode > 0))
        return failure.timestamp > first + UNRELATED, consequence, failure.timestamp

    rank = min(failures, key=order)
    lost, report = failures[rank], temporary / f"rank{rank}.json"
    how = f"was killed by {lost.signal_name()}" if lost.exitcode < 0 else f"failed with exit code {lost.exitcode}"
    why = f" ({json.loads(report.read_text())['message']})" if report.exists() else ""
    return CareBenchError(
        f"run {config.id}: rank {rank} (PID {lost.pid}) {how}{why}, and the other ranks were stopped; the same command "
        "continues from the last checkpoint"
    )
