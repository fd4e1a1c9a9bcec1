"""Files that are complete or absent: atomic writes, locked folders, hashes, and JSON in one canonical form."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from care_bench.errors import CareBenchError


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a temporary file in the same folder, fsync it, and rename it. A reader never sees half of a file.

    Args:
        path: the file to make or replace; parent folders are made.
        write: called with the open binary file.

    Raises:
        CareBenchError: the folder cannot be written or is full; ``path`` is then unchanged.
    """
    if path.exists() and not path.is_file():
        raise CareBenchError(f"cannot write {path}: it is not a regular file")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an operating system error while writing a file or folder into one line.

    Raises:
        CareBenchError: the body raised OSError, for example because the disk is full.
    """
    try:
        yield
    except OSError as error:
        found = error.strerror or error
        raise CareBenchError(f"cannot write {path}: {found}; expected a writable folder with space left") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder if it is missing, and hold its lock; the system releases it when the process ends.

    Raises:
        CareBenchError: another process holds the lock, or the folder cannot be made.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        with writing(folder):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CareBenchError(f"another process is working on {folder}; expected one at a time") from None
        yield
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` as :func:`write_atomic` does."""
    write_atomic(path, lambda file: file.write(content))


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` in UTF-8 as :func:`write_atomic` does."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON with sorted keys; NaN and infinity are refused with a ValueError."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def canonical_json(content: Any) -> bytes:
    """Return canonical JSON, the same bytes for equal contents: sorted keys, no spaces, no NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sha256_bytes(content: bytes) -> str:
    """Return the hex SHA-256 of a byte string."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_tree(folder: Path, pattern: str) -> str:
    """Return one hex SHA-256 for all files below a folder whose names match a pattern, with their relative paths."""
    files = {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob(pattern)}
    return sha256_bytes(canonical_json(files))


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
