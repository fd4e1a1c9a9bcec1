"""The log of all loss terms at every step; it stops a run whose loss is not finite."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes
from care_bench.names import GRADIENT_RATIO
from care_bench.untrusted import read_bytes
from care_bench.unwritable import make_folder, writing


class TermLog:
    """Appends one JSON line per step: step, learning rate, weighted loss, unweighted terms, at some more.

    Values stay on the device until :meth:`flush`, so that a step does not wait for it. The log has no times, so two
    runs of the same config and seed write the same bytes.

    Args:
        path: the log.
        length: bytes of an existing log to keep; the rest was written after the checkpoint.
        sha256: hash of these bytes.
        every: steps between flushes.
        run: names the run in errors.
    """

    def __init__(self, path: Path, length: int, sha256: str, every: int, run: str) -> None:
        self.run = run
        self.every = every
        self.last_loss = math.nan
        self._waiting: list[tuple[int, float, tuple[str, ...], Tensor]] = []
        with writing(path):
            make_folder(path.parent)
        again = f"delete {path.parent} to start the run again"
        before = read_bytes(path, again) if length else b""
        if len(before) < length:
            raise CareBenchError(f"{path} has {len(before)} bytes, but its checkpoint needs {length}; {again}")
        self._hash = hashlib.sha256(before[:length])
        if self.sha256 != sha256:
            raise CareBenchError(
                f"{path} was changed: the SHA-256 of its first {length} bytes is {self.sha256[:12]}, its checkpoint "
                f"has {sha256[:12]}; {again}"
            )
        with writing(path):
            if path.exists() and not path.is_file():
                raise CareBenchError(f"cannot write {path}: it is not a regular file")
            self._file = path.open("ab")
            self._file.truncate(length)
        self.path = path

    @property
    def sha256(self) -> str:
        """Hash of all that was written, and of what was kept of an existing log."""
        return self._hash.hexdigest()

    def add(
        self,
        step: int,
        learning_rate: float,
        loss: Tensor,
        terms: Mapping[str, Tensor],
        ratio: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Take the values of one step, numbered from 1; a ratio that is not finite is left out."""
        named = {"loss": loss, **terms, **(ratio or {})}
        values = torch.stack([value.detach() for value in named.values()])
        self._waiting.append((step, learning_rate, tuple(named), values))
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
            if not math.isfinite(record.get(GRADIENT_RATIO, 0.0)):
                del record[GRADIENT_RATIO]
            # The terms first: one that is not finite explains the loss, which is their sum.
            wrong = [name for name in (*names[1:], names[0]) if not math.isfinite(record.get(name, 0.0))]
            if wrong:
                diverged = f"step {step} of {self.run}: {wrong[0]} is {record[wrong[0]]}"
                break
            self.last_loss = record["loss"]
            lines.append(json.dumps({"step": step, "learning_rate": learning_rate, **record}) + "\n")
        self._waiting.clear()
        content = "".join(lines).encode()
        self._hash.update(content)
        with writing(self.path):
            self._file.write(content)
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

    def content(self) -> bytes:
        """Return the whole log, read from the disk.

        Raises:
            CareBenchError: it is not what was written: another process has changed it.
        """
        self.sync()
        again = f"delete {self.path.parent} to start the run again"
        content = read_bytes(self.path, again)
        if sha256_bytes(content) != self.sha256:
            raise CareBenchError(f"{self.path} was changed by another process during the training; {again}")
        return content

    def _fetch(self) -> list[list[float]]:
        if not self._waiting:
            return []
        tensors = [values for *_, values in self._waiting]
        rows = torch.split(torch.cat(tensors).cpu(), [len(values) for values in tensors])  # one transfer
        return [row.tolist() for row in rows]

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """Close the log if the body raises."""
        try:
            yield
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing writes what is left. An earlier failure to write has been reported already.
        with suppress(OSError):
            self._file.close()
