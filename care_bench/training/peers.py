"""The further processes of a run with several devices: started by the first one, watched, and never left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from signal import strsignal

from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from rich.console import Console

from care_bench.config import RunConfig
from care_bench.errors import CareBenchError

GRACE = 5.0
"""Seconds in which a process that failed leaves it to the first one to say why the run did."""

_RANK = "LOCAL_RANK"
_PARENT = "CARE_BENCH_PARENT"
_Others = Sequence["subprocess.Popen[bytes]"]


@contextmanager
def peers(config: RunConfig) -> Iterator[None]:
    """Start the other processes of a run with several devices, which run the same command, and end them at the end.

    In one of them: end when the first one does. Processes that something else has started, such as ``torchrun``, are
    left to it.

    Raises:
        CareBenchError: one of them was killed, or failed and said why. Where the device does not notice, and waits for
            it, this process ends with that line, too.
    """
    if config.training.devices == 1 or (_RANK in os.environ and _PARENT not in os.environ):
        yield
    elif _PARENT in os.environ:
        with _following(int(os.environ[_PARENT])):
            yield
    else:
        with _leading(config):
            yield


@contextmanager
def _leading(config: RunConfig) -> Iterator[None]:
    place = LightningEnvironment()
    shared = {"MASTER_ADDR": place.main_address, "MASTER_PORT": f"{place.main_port}"}
    command = [sys.executable, *sys.orig_argv[1:]]
    others: list[subprocess.Popen[bytes]] = []
    ended = threading.Event()
    with _environment({**shared, _RANK: "0"}):
        try:
            for rank in range(1, config.training.devices):
                environment = {**os.environ, _RANK: f"{rank}", _PARENT: f"{os.getpid()}"}
                others.append(subprocess.Popen(command, env=environment))
            threading.Thread(target=_watch, args=(config, others, ended), daemon=True).start()
            yield
        except CareBenchError:
            raise
        except Exception as error:
            if lost := _lost(config, others, GRACE / 2):  # as a rule the others are alive, and the fault is here
                raise CareBenchError(lost) from error
            raise
        finally:
            ended.set()
            for other in others:  # all that was to be done together is done, or never will be
                other.kill()
                other.wait()


@contextmanager
def _following(parent: int) -> Iterator[None]:
    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    try:
        yield
    except Exception:
        time.sleep(GRACE)  # whatever the first process meets, too, it says, and ends this one
        raise


def _watch(config: RunConfig, others: _Others, ended: threading.Event) -> None:
    """End the process when another one is lost and the main thread does not come back from waiting for it."""
    while not ended.wait(0.5):
        if lost := _lost(config, others):
            if not ended.wait(GRACE):
                for other in others:
                    other.kill()
                console = Console(stderr=True, highlight=False, soft_wrap=True)
                console.show_cursor()  # a progress bar hides it
                console.print(f"care-bench: {lost}", markup=False)
                os._exit(CareBenchError.exit_code)
            return


def _lost(config: RunConfig, others: _Others, patience: float = 0.0) -> str | None:
    """Say which of the processes has failed; one whose connections are closed may take a moment to be gone."""
    until = time.monotonic() + patience
    while True:
        for rank, other in enumerate(others, start=1):
            if code := other.poll():
                how = f"ended by signal {-code} ({strsignal(-code)})" if code < 0 else f"failed with exit code {code}"
                return (
                    f"run {config.id}: process {rank} (PID {other.pid}) {how}, so the others stopped; the "
                    "same command continues from the last checkpoint"
                )
        if time.monotonic() >= until:
            return None
        time.sleep(0.05)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
