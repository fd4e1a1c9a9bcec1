"""Stop signals: a handler only notes that one came; the training loop acts on it between two steps."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from care_bench.errors import CareBenchError

CAUGHT = (signal.SIGTERM, signal.SIGINT)


class RunInterruptedError(CareBenchError):
    """A signal asked the run to stop, and its state is saved."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class StopSignal:
    """The stop signal that has come, if any."""

    number: int | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Take note of a signal; nothing else may happen here."""
        self.number = number


@contextmanager
def stop_signals() -> Iterator[StopSignal]:
    """Note SIGTERM and SIGINT instead of dying of them, and put the handlers back at the end."""
    stop = StopSignal()
    previous = {number: signal.signal(number, stop.note) for number in CAUGHT}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
