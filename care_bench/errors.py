"""The one exception a user can cause, and the line it prints."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class CareBenchError(Exception):
    """Something the user can put right: the message names what, where, and what was expected, in one line.

    The command line prints the message without a traceback and exits with ``exit_code``.
    """

    exit_code = 2


def unknown(kind: str, name: str, known: Iterable[str]) -> CareBenchError:
    """Build the error for a misspelt name, with the nearest known one where there is one.

    Args:
        kind: what is named, for the message ("data set", "method").
        name: what was found.
        known: the names that exist.
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return CareBenchError(f"unknown {kind} {name!r}: {hint}known: {', '.join(names)}")
