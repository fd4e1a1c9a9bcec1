"""The one exception a user can cause, and the line it prints."""

from __future__ import annotations

import os
import site
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from sysconfig import get_paths
from traceback import walk_tb

_INSTALLED = (
    str(Path(__file__).parent),
    *(get_paths()[kind] for kind in ("stdlib", "purelib", "platlib")),
    *(*site.getsitepackages(), site.getusersitepackages()),
)
"""Folders of our code, Python's and that of installed packages."""

LISTED, NEAR = 60, 3
"""Most known names that an error lists; and most that it suggests where there are more."""


class CareBenchError(Exception):
    """Something the user can put right: the message names what, where, and what was expected, in one line.

    The command line prints the message without a traceback and exits with ``exit_code``.
    """

    exit_code = 2


def is_installed(file: str) -> bool:
    """Tell whether code is ours, Python's or an installed package's, not a user's."""
    return file.startswith(("<", *(f"{folder}{os.sep}" for folder in _INSTALLED)))


def raised_at(error: BaseException) -> str:
    """Return where in a user's code an error was raised, as ` at file.py:LINE`; "" where only installed code was.

    The last frame counts that is neither ours nor of an installed package nor of Python.
    """
    frames = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    own = [(name, line) for name, line in frames if not is_installed(name)]
    return f" at {Path(own[-1][0]).name}:{own[-1][1]}" if own else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> CareBenchError:
    """Build the error for a misspelt name, with the nearest known one where there is one.

    Args:
        kind: what is named, for the message ("data set", "method").
        name: what was found.
        known: the names that exist.
    """
    names = sorted(known)
    if not names:
        return CareBenchError(f"unknown {kind} {name!r}: there is none")
    near = get_close_matches(name, names, n=1 if len(names) <= LISTED else NEAR, cutoff=0.5)
    hint = f"did you mean {', '.join(map(repr, near))}? " if near else ""
    listed = ", ".join(names) if len(names) <= LISTED else f"{len(names)} names, such as {', '.join(names[:NEAR])}"
    return CareBenchError(f"unknown {kind} {name!r}: {hint}known: {listed}")
