"""The time that is left."""

from __future__ import annotations

import time
from dataclasses import dataclass


class OutOfTimeError(RuntimeError):
    """No time is left, so the rest is not done."""


@dataclass(frozen=True)
class Limit:
    """A moment after which nothing begins and no command goes on.

    Attributes:
        minutes: from the start to that moment.
        end: the moment, on ``time.monotonic``.
    """

    minutes: float
    end: float

    @classmethod
    def after(cls, minutes: float) -> Limit:
        """Return the moment so many minutes from now."""
        return cls(minutes, time.monotonic() + 60 * minutes)

    def left(self) -> float:
        """Return the seconds that are left, more than 0; call it before each finding.

        Raises:
            OutOfTimeError: there are none.
        """
        seconds = self.end - time.monotonic()
        if seconds <= 0:
            raise self.error()
        return seconds

    def error(self) -> OutOfTimeError:
        """Return the error of what this moment ends."""
        return OutOfTimeError(f"not done within {self.minutes:g} minutes")
