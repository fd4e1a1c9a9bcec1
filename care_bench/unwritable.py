"""Errors of the system while files and folders are written, as one line that says what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from care_bench.errors import CareBenchError

UNWRITABLE = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG)
)
"""Errors of a folder that cannot be written, or is full."""
MOVED = frozenset((errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ESTALE))
"""Errors where somebody else has changed the folder during the work."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an operating system error while writing a file or folder into one line.

    Raises:
        CareBenchError: the body raised OSError, for example because the disk is full.
    """
    try:
        yield
    except OSError as error:
        raise CareBenchError(f"cannot write {path}: {error.strerror or error}{_remedy(error)}") from error


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, if it is missing.

    Raises:
        OSError: it cannot be made. Where the system says no more than that it is missing, as in /proc, the error says
            so in words.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        missing = Path(error.filename)
        if missing.parent.is_dir():  # else somebody has deleted it meanwhile
            said = f"the folder cannot be made in {missing.parent}; expected a folder that can be written"
            raise OSError(said) from error
        raise


def _remedy(error: OSError) -> str:
    """Say what to do about an error while writing; nothing where the system's words say all that is known."""
    if error.errno in UNWRITABLE:
        return "; expected a writable folder with space left"
    where = "" if error.filename is None else f" ({error.filename})"
    if error.errno == errno.EEXIST and error.filename is not None and _is_no_folder(error.filename):
        return f"{where}; expected a folder there"
    if error.errno in MOVED:
        return f"{where}; another process has moved, made or deleted it meanwhile, run the same command again"
    return ""


def _is_no_folder(path: str) -> bool:
    """Say whether something else than a folder is there, such as a file, or a link that leads nowhere."""
    return os.path.lexists(path) and not Path(path).is_dir()
