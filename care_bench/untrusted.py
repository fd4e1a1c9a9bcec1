"""Reading files that may be damaged: every failure becomes one line, and nothing but a regular file is opened."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from care_bench.errors import CareBenchError

NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory", "realloc", "malloc", "bad_alloc")
"""How libraries say that memory is short when they do not raise MemoryError."""


@contextmanager
def decoding(path: Path | str, expected: str) -> Iterator[None]:
    """Turn every failure of the body, which decodes a file, into one line.

    Decoders of damaged bytes raise anything: a wrong checksum may be an IndexError. So this catches all of it, except
    what asks the process to end.

    Args:
        path: the file, as the line names it.
        expected: what it should be and how to repair it, such as "expected the summary of a run".

    Raises:
        CareBenchError: the body raised; one raised by the body itself passes unchanged.
    """
    try:
        yield
    except CareBenchError:
        raise
    except Exception as error:
        raise CareBenchError(f"{reason(path, error)}; {expected}") from error


def reason(path: Path | str, error: Exception) -> str:
    """Say in one line why a file could not be decoded: no memory, not readable, or damaged."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:  # not the errors that libraries raise as OSError without a number
        said = error.strerror
        return f"cannot read {path}: {said}"
    if is_memory_short(error):
        return f"cannot read {path}: not enough memory"
    if isinstance(error, RecursionError):
        return f"{path} is damaged: it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        said = f"byte {error.start} is not {error.encoding.upper()}"
    elif isinstance(error, KeyError):
        said = f"it lacks {said}"
    return f"{path} is damaged: {said}"


def is_damage(error: Exception) -> bool:
    """Tell whether an error of a decoder means that the content of the file is at fault, not the system."""
    return not (isinstance(error, OSError) and error.strerror) and not is_memory_short(error)


def is_memory_short(error: Exception) -> bool:
    """Tell whether an error means that memory is short."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in NO_MEMORY)


def read_bytes(path: Path, expected: str) -> bytes:
    """Return the content of a regular file.

    Raises:
        CareBenchError: it is missing, unreadable, or not a regular file: a named pipe is refused instead of waited for.
    """
    with decoding(path, expected), open_regular(path) as file:
        return file.read()


def sha256_of(path: Path, expected: str) -> str:
    """Return the hex SHA-256 of a regular file.

    Raises:
        CareBenchError: as :func:`read_bytes`.
    """
    with decoding(path, expected), open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def absent(path: Path) -> bool:
    """Say whether there is nothing at ``path``, so that a reader can do without it.

    What cannot be looked at and links that lead nowhere are not absent: reading them fails in one line.
    """
    try:
        path.stat()
    except FileNotFoundError:
        return not any(part.is_symlink() and not part.exists() for part in (path, *path.parents))
    except OSError:
        return False
    return False


def read_json(path: Path, expected: str) -> Any:
    """Return the content of a JSON file.

    Raises:
        CareBenchError: as :func:`read_bytes`, or it is not JSON.
    """
    content = read_bytes(path, expected)
    with decoding(path, expected):
        return json.loads(content)


@contextmanager
def open_regular(path: Path) -> Iterator[BufferedReader]:
    """Open a file for reading.

    Raises:
        OSError: it cannot be opened or is not a regular file.
    """
    # O_NONBLOCK: opening a named pipe without a writer would wait for one.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        yield file
