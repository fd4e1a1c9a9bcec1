"""The folder where a source keeps unfinished work, used by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from care_bench.errors import CareBenchError


@contextmanager
def locked(workspace: Path) -> Iterator[None]:
    """Make the folder if it is missing, and hold its lock; the system releases it when the process ends.

    Raises:
        CareBenchError: another process holds the lock, or the folder cannot be made.
    """
    with writing(workspace):
        workspace.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(workspace, os.O_RDONLY)
    try:
        with writing(workspace):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CareBenchError(f"another process is preparing {workspace}; expected one at a time") from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn an operating system error while writing into one line.

    Raises:
        CareBenchError: the body raised OSError, for example because the disk is full.
    """
    try:
        yield
    except OSError as error:
        found = error.strerror or error
        raise CareBenchError(f"cannot write {folder}: {found}; expected a writable folder with space left") from error
