"""Files and folders that are complete or absent: atomic writes, locks, hashes, and JSON in one canonical form."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from care_bench.errors import CareBenchError
from care_bench.lock_holders import holder, shared_by_machines
from care_bench.unwritable import make_folder, writing

LOCK = ".lock"
"""File in a folder that is locked as well where several machines share it."""


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a temporary file in the same folder, fsync it, and rename it. A reader never sees half of a file.

    The temporary file of a killed writer is taken over by the next one.

    Args:
        path: the file to make or replace; parent folders are made.
        write: called with the open binary file.

    Raises:
        CareBenchError: the folder cannot be written or is full; ``path`` is then unchanged.
    """
    if path.exists() and not path.is_file():
        raise CareBenchError(f"cannot write {path}: it is not a regular file")
    with writing(path):
        make_folder(path.parent)
        temporary = path.with_name(f".{path.name}.part")
        with _open_alone(temporary) as file:
            try:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        sync(path.parent)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Fill a new folder, and put it in the place of ``folder`` when the body ends. A reader never sees half of it.

    Other processes that replace a folder beside it wait. What a killed one has left is cleaned up by the next.

    Args:
        folder: the folder to make or replace; parent folders are made. Of a link, the folder that it leads to.

    Yields:
        An empty folder beside it, to be filled with :func:`write_atomic` and the like.

    Raises:
        CareBenchError: the folder cannot be written or is full, or it is something else than a folder; ``folder`` is
            then unchanged.
    """
    folder = _real_folder(folder)
    new, old = folder.with_name(f".{folder.name}.part"), folder.with_name(f".{folder.name}.old")
    with locked(folder.parent, wait=True), writing(folder):
        try:
            if old.exists() and not folder.exists():  # killed between the two renames
                old.rename(folder)
            for left in (new, old):
                if left.exists():
                    shutil.rmtree(left)
            make_folder(new)
            yield new
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
            sync(folder.parent)
        finally:
            if old.exists() and not folder.exists():  # the second of the two renames failed
                old.rename(folder)
            for left in (new, old) if folder.exists() else (new,):
                shutil.rmtree(left, ignore_errors=True)


def restore_replaced(parent: Path) -> None:
    """Put back the folders that a process had moved aside when it was killed between the renames of :func:`replacing`.

    The caller holds the lock of ``parent``, so that no other process is at work.

    Raises:
        CareBenchError: a folder cannot be moved back.
    """
    with os.scandir(parent) as entries:
        hidden = {entry.name for entry in entries if entry.name.startswith(".")}
    for old in sorted(name for name in hidden if name.endswith(".old")):
        folder = parent / old.removeprefix(".").removesuffix(".old")
        # Without the new folder, the swap was complete, and the user has removed its result since.
        if f".{folder.name}.part" in hidden and not os.path.lexists(folder):
            with writing(folder):
                (parent / old).rename(folder)


@contextmanager
def locked(folder: Path, wait: bool = False) -> Iterator[None]:
    """Make the folder if it is missing, and hold its lock; the system releases it when the process ends.

    Args:
        folder: the folder; a lock on it says nothing of the folders below it.
        wait: wait for another process that holds it, after a line on standard error that names it.

    Raises:
        CareBenchError: another process holds the lock and ``wait`` is not set; or the folder cannot be made.
    """
    with writing(folder):
        held = _lock(folder, wait)
    try:
        yield
    finally:
        if len(held) > 1:
            (folder / LOCK).unlink(missing_ok=True)  # while it is held: who waits for it opens another one
        _close(held)


def remove(path: Path) -> None:
    """Remove whatever is at ``path``: a file, link or named pipe, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_bytes(content: bytes) -> str:
    """Return the hex SHA-256 of a byte string."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_version(status: os.stat_result) -> str:
    """Return a mark of a file's content that changes whenever it is written or replaced.

    The time of change alone can be set back; the time of the last change of the inode cannot.
    """
    return f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def sha256_tree(folder: Path, pattern: str) -> str:
    """Return one hex SHA-256 for all files below a folder whose names match a pattern, with their relative paths."""
    files = {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob(pattern)}
    return sha256_bytes(canonical_json(files))


def _lock(folder: Path, wait: bool) -> list[int]:
    """Return descriptors that have the lock of a folder. The holder before may have deleted or moved the folder."""
    while True:
        make_folder(folder)
        held: list[int] = []
        try:
            held.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
            _flock(held[0], folder, wait)
            if shared_by_machines(held[0]):  # they see each other's locks of files alone
                held.append(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666))
                _flock(held[1], folder, wait)
            if all(map(_is_open, (folder, folder / LOCK), held)):
                return held
        except FileNotFoundError:
            pass
        except BaseException:
            _close(held)
            raise
        _close(held)


def _flock(descriptor: int, folder: Path, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        name = holder(descriptor)
        if not wait:
            raise CareBenchError(f"{name} is working on {folder}; expected one at a time") from None
        print(f"waiting for {name}, which is working on {folder}", file=sys.stderr, flush=True)  # noqa: T201
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


@contextmanager
def _open_alone(path: Path) -> Iterator[BinaryIO]:
    """Open an empty file for writing that no other process writes at the same time, waiting for one that does."""
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "w+b", closefd=True) as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            if _is_open(path, file.fileno()):  # else the process before has renamed the file that we opened
                file.truncate(0)
                yield file
                return


def _real_folder(folder: Path) -> Path:
    """Return a folder that can be moved aside under its own name: neither `.` nor a link."""
    try:
        real = folder.resolve() if folder.is_symlink() or folder.name in ("", "..") else folder
    except (OSError, RuntimeError):  # RuntimeError is pathlib's word for a loop of links
        raise CareBenchError(f"cannot write {folder}: it is a link that leads in a circle") from None
    if not real.name or (real.exists() and not real.is_dir()):
        raise CareBenchError(f"cannot write {folder}: it is not a folder that can be replaced")
    return real


def _is_open(path: Path, descriptor: int) -> bool:
    """Whether a path still names the file or folder that was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
