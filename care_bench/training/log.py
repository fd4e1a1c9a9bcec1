"""The log of all loss terms at every step; it stops a run whose loss is not finite."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from care_bench.errors import CareBenchError
from care_bench.files import writing


class TermLog:
    """Appends one JSON line per step: step, learning rate, weighted loss, unweighted terms.

    Values stay on the device until :meth:`flush`, so that a step does not wait for it. The log has no times, so two
    runs of the same config and seed write the same bytes.

    Args:
        path: the log.
        length: bytes of an existing log to keep; the rest was written after the checkpoint.
        every: steps between flushes.
        run: names the run in errors.
    """

    def __init__(self, path: Path, length: int, every: int, run: str) -> None:
        self.run = run
        self.every = every
        self.last_loss = math.nan
        self._waiting: list[tuple[int, float, tuple[str, ...], Tensor]] = []
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            size = path.stat().st_size if path.exists() else 0
            if size < length:
                raise CareBenchError(
                    f"{path} has {size} bytes, but its checkpoint needs {length}; delete {path.parent} to start again"
                )
            self._file = path.open("ab")
            self._file.truncate(length)
        self.path = path

    def add(self, step: int, learning_rate: float, loss: Tensor, terms: Mapping[str, Tensor]) -> None:
        """Take the values of one step, numbered from 1."""
        values = torch.stack([loss.detach(), *(term.detach() for term in terms.values())])
        self._waiting.append((step, learning_rate, ("loss", *terms), values))
        if len(self._waiting) >= self.every:
            self.flush()

    def flush(self) -> None:
        """Write the waiting lines to disk, up to a value that is not finite.

        Raises:
            CareBenchError: a value is NaN or infinite; names step, term and run. Or the disk is full.
        """
        lines, diverged = [], None
        for (step, learning_rate, names, _), values in zip(self._waiting, self._fetch(), strict=True):
            record = dict(zip(names, values, strict=True))
            # The terms first: one that is not finite explains the loss, which is their sum.
            wrong = [name for name in (*names[1:], names[0]) if not math.isfinite(record[name])]
            if wrong:
                diverged = f"step {step} of {self.run}: {wrong[0]} is {record[wrong[0]]}"
                break
            self.last_loss = record["loss"]
            lines.append(json.dumps({"step": step, "learning_rate": learning_rate, **record}) + "\n")
        self._waiting.clear()
        with writing(self.path):
            self._file.write("".join(lines).encode())
            self._file.flush()
        if diverged is not None:
            raise CareBenchError(
                f"{diverged}; expected finite losses (lower the learning rate or the weights, or use precision 32-true)"
            )

    def sync(self) -> int:
        """Flush, wait for the disk, and return the length of the log in bytes."""
        self.flush()
        with writing(self.path):
            os.fsync(self._file.fileno())
        return self._file.tell()

    def _fetch(self) -> list[list[float]]:
        if not self._waiting:
            return []
        rows: list[list[float]] = torch.stack([values for *_, values in self._waiting]).cpu().tolist()
        return rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing writes what is left. An earlier failure to write has been reported already.
        with suppress(OSError):
            self._file.close()
