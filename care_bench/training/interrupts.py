"""How a run ends early. A handler of stop signals only notes the signal; the training loop acts on it between steps."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from care_bench.errors import CareBenchError
from care_bench.terminal import STOP_SIGNALS

FAULT = 1
"""Exit code of a rank after an unexpected error."""


class RunInterruptedError(CareBenchError):
    """A signal asked the run to stop, and its state is saved."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class StopSignal:
    """The stop signal that was received, if any."""

    number: int | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; a handler must do no more than that."""
        self.number = number


@contextmanager
def stop_signals() -> Iterator[StopSignal]:
    """Note SIGTERM and SIGINT instead of ending the process."""
    stop = StopSignal()
    with handle_stop_signals(stop.note):
        yield stop


@contextmanager
def handle_stop_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle SIGTERM and SIGINT, and restore the previous handlers at the end."""
    previous = {number: signal.signal(number, handler) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
