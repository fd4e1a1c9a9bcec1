"""Folders of results: those below one, the lock while they are read, what one may hold to be replaced, its filling."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from care_bench.artifacts.manifest import Manifest
from care_bench.errors import CareBenchError
from care_bench.files import locked, restore_replaced, sync
from care_bench.untrusted import absent, decoding, reason

SHOWN = 3
"""Most names that a message lists."""


@contextmanager
def reading(parent: Path) -> Iterator[None]:
    """Keep commands that replace folders of ``parent`` waiting, and first put back what a killed one had moved aside.

    Without such a folder, or where it cannot be read, there is nothing to wait for: :func:`listed` says which.
    """
    if not os.access(f"{parent}/.", os.R_OK | os.X_OK):  # nor is a file a folder
        yield
        return
    with locked(parent, wait=True):
        with decoding(parent, "expected a folder of results"):
            restore_replaced(parent)
        yield


def listed(parent: Path, what: str) -> tuple[list[Path], dict[Path, str]]:
    """Look at every entry of a folder of results whose name does not begin with a dot.

    Args:
        parent: the folder; it may be absent.
        what: what its folders are, for messages.

    Returns:
        The folders, sorted by name; and the entries that are no folder, with a phrase that says what is wrong.

    Raises:
        CareBenchError: ``parent`` is no folder, or cannot be read.
    """
    if absent(parent):
        return [], {}
    with decoding(parent, f"expected a folder of {what}s"), os.scandir(parent) as entries:
        paths = [parent / name for name in sorted(entry.name for entry in entries) if not name.startswith(".")]
    problems = {path: phrase for path in paths if (phrase := _no_folder(path, what))}
    return [path for path in paths if path not in problems], problems


def check_replaceable(folder: Path, parts: re.Pattern[str], what: str) -> None:
    """Check that nothing is lost if the folder is replaced by a new one of its kind.

    Args:
        folder: it may be absent.
        parts: matches the relative names of all that belongs to it; names of folders end with a slash.
        what: the kind, for messages.

    Raises:
        CareBenchError: it is no folder or cannot be read, or it holds something else; one line that names it.
    """
    if absent(folder):
        return
    expected = f"expected {what}, or a folder that does not exist yet"
    with decoding(folder, expected):
        others = list(_others(folder, parts))
    if others:
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        raise CareBenchError(
            f"{folder} holds {', '.join(others[:SHOWN])}{more}, which cannot be part of {what}; {expected}"
        )


def holds_collections(parent: Path) -> bool:
    """Say whether a folder has a collection or a pin in it, so that whatever is put there is read as one."""
    try:
        return any(parent.glob(f"*/{Manifest.NAME}"))
    except OSError:
        return False


def check_apart(out: Path, *kinds: str) -> None:
    """Check that a file or folder to write is not among collections or pins, where it would be read as one of them.

    Args:
        out: it may be absent.
        kinds: names of folders of collections or pins.

    Raises:
        CareBenchError: it is; one line that names it.
    """
    for parent in Path(os.path.realpath(out)).parents:
        if parent.name in kinds and holds_collections(parent):
            raise CareBenchError(
                f"--out {out} is in {parent}, where all is read as a collection or a pin; expected another place"
            )


def fill(folder: Path, files: Mapping[str, bytes], written: Sequence[str] = ()) -> None:
    """Write files into a folder that no reader sees yet, and sync them: relative name -> content.

    All are written before the first is synced, so that the disk works on them at once. ``written`` names files that are
    there already, and only have to be synced.
    """
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    paths = [folder / name for name in (*written, *files)]
    for path in [*paths, *{path.parent for path in paths}]:
        sync(path)


def _no_folder(path: Path, what: str) -> str:
    """Say why an entry is no folder; "" where it is one."""
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            return ""
    except FileNotFoundError:
        return f"{path} is a link that leads nowhere; expected a {what}"
    except OSError as error:
        return f"{reason(path, error)}; expected a {what}"
    return f"{path} is not a folder; expected a {what}"


def _others(folder: Path, parts: re.Pattern[str], prefix: str = "") -> Iterator[str]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            known = parts.fullmatch(f"{name}/")
            yield from _others(folder / entry.name, parts, f"{name}/") if known else [f"{name}/"]
        elif not (entry.is_file(follow_symlinks=False) and parts.fullmatch(name)):
            yield name
