"""Folders that a command has made and that are still empty when it ends are removed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_made: list[Sequence[Path]] = []
"""Folders that were missing when the bodies of :func:`removing_empty` that are under way began."""


@contextmanager
def removing_empty(folder: Path) -> Iterator[None]:
    """Remove ``folder`` and those parents that are made by the body, as far as they are empty when it ends."""
    made = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    _made.append(made)
    try:
        yield
    finally:
        _made.remove(made)
        _remove_empty(made)


def remove_empty() -> None:
    """Remove what the bodies of :func:`removing_empty` have made, for a process that ends without leaving them."""
    while _made:
        _remove_empty(_made.pop())


def _remove_empty(folders: Sequence[Path]) -> None:
    with suppress(OSError):  # the first that is not empty
        for path in folders:
            with suppress(FileNotFoundError):
                path.rmdir()
