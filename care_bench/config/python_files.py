"""What a user's Python file imports from beside it, read without executing any of it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path


def imported_beside(path: Path) -> tuple[Path, ...]:
    """Return the files below a Python file's folder that it imports, and those that they import.

    Imports by a statement are found, wherever it stands; those by a function such as importlib.import_module are not.
    A file that is missing or damaged imports nothing.
    """
    path = path.resolve() if path.is_symlink() else path
    found = {path}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        new = {one for one in _candidates(file, path.parent) if one not in found and one.is_file()}
        found |= new
        waiting += new
    return tuple(sorted(found - {path}))


def _candidates(file: Path, folder: Path) -> Iterator[Path]:
    """Yield where the modules that a file imports are, if they are below a folder."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how it is written
            tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _modules(folder, alias.name)
        elif isinstance(node, ast.ImportFrom) and node.level <= len(file.relative_to(folder).parts):
            start = file.parents[node.level - 1] if node.level else folder
            for alias in node.names:  # a name may be a module
                yield from _modules(start, ".".join(filter(None, (node.module, alias.name))))


def _modules(folder: Path, name: str) -> Iterator[Path]:
    """Yield where a module and the packages that it is in may be."""
    for part in name.split("."):
        folder /= part
        yield from (folder.with_name(f"{part}.py"), folder / "__init__.py")
