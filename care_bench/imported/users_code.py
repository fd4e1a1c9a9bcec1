"""A user's code: a Python file with what it imports from beside it, or a module of a package."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from care_bench.config.imported import FORMS, LIBRARIES
from care_bench.errors import CareBenchError, is_installed, raised_at
from care_bench.files import sha256_tree
from care_bench.untrusted import decoding, sha256_of

LOADED = "care_bench_imported_"
"""Begins the names that files have among the loaded modules."""
_imported: set[str] = set()
"""A user's modules that the last code here has imported."""


@contextmanager
def loading(source: str, where: str) -> Iterator[ModuleType]:
    """Load code; as long as the body runs, a file finds what lies beside it.

    What other code has imported here of a user's modules is forgotten first, so that every encoder is made from its own
    files. What this one imports stays until then: a forward pass may import it again, and torch's compiler does.

    Args:
        source: `PATH.py`, or the name of a module.
        where: names the encoder in errors.

    Raises:
        CareBenchError: no such file or module, or it cannot be imported.
    """
    for name in _imported:
        sys.modules.pop(name, None)
    _imported.clear()
    known = set(sys.modules)
    path = Path(source) if source.endswith(".py") else None
    folders = [] if path is None else [str(_folder(path))]
    sys.path[:0] = folders
    try:
        yield _from_module(source, where) if path is None else _from_file(path, where)
    finally:
        for folder in folders:
            sys.path.remove(folder)
        _imported.update(name for name, _ in _users_modules() if name not in known)


def made_by(source: str) -> dict[str, str]:
    """Return what loaded code is made from.

    Returns:
        The hash of a file and of every module that it has imported from below its folder, by their names there; or the
        version of a package, or the hash of its files if it is not installed.

    Raises:
        CareBenchError: a file cannot be read.
    """
    if not source.endswith(".py"):
        return _package(source.partition(".")[0])
    path, folder = Path(source), _folder(Path(source))
    files = {
        place.relative_to(folder).as_posix(): place
        for name, places in _users_modules()
        for place in places
        if place.is_relative_to(folder) and place.is_file() and not name.startswith(LOADED)
    }
    return {name: _hashed(sha256_of(file, "expected Python")) for name, file in {**files, path.name: path}.items()}


def _package(name: str) -> dict[str, str]:
    try:
        return {name: version(name.replace("_", "-"))}
    except PackageNotFoundError:
        place = next(iter(_places(sys.modules[name])), None)
    if place is None:
        return {name: "of unknown version"}
    with decoding(place, "expected Python"):
        is_file = place.is_file() and place.name != "__init__.py"
        folder = place if place.is_dir() else place.parent
        return {name: _hashed(sha256_of(place, "expected Python") if is_file else sha256_tree(folder, "*.py"))}


def _hashed(sha256: str) -> str:
    return f"sha256 {sha256}"


def _folder(path: Path) -> Path:
    """Return the folder in which a file's imports are looked for."""
    return path.resolve().parent


def _users_modules() -> Iterator[tuple[str, list[Path]]]:
    """Yield the loaded modules that are neither ours nor installed nor Python's, with where they lie."""
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and name not in ("__main__", "__mp_main__"):
            places = _places(module)
            if places and not any(is_installed(str(place)) for place in places):
                yield name, [place.resolve() for place in places]


def _places(module: ModuleType) -> list[Path]:
    """Return the file of a module; the folders of a package without one; nothing for what is part of Python itself."""
    file = vars(module).get("__file__")
    return [Path(one) for one in ([file] if file else vars(module).get("__path__", ()))]


@contextmanager
def failing(what: str) -> Iterator[None]:
    """Turn every failure of a user's code into one line; what interrupts the command passes.

    A KeyboardInterrupt is the code's own: in a command, Ctrl-C raises something else.

    Raises:
        CareBenchError: the body raised something.
    """
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise CareBenchError(f"{what}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Return the kind of an error with the first line of what it says, and where in the user's code it was raised."""
    said = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *said[:1]]) + raised_at(error)


def _from_file(path: Path, where: str) -> ModuleType:
    if not path.is_file():
        raise CareBenchError(
            f"{where}: no such file {path}; expected a Python file with a function that returns a module"
        )
    spec = importlib.util.spec_from_file_location(f"{LOADED}{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found  # dataclasses look their module up
    with failing(f"{where}: {path} cannot be imported"):
        spec.loader.exec_module(found)
    return found


def _from_module(name: str, where: str) -> ModuleType:
    near = get_close_matches(name, LIBRARIES, n=1)
    hint = f"did you mean '{near[0]}:'? " if near and importlib.util.find_spec(name) is None else ""
    with failing(f"{where}: module {name!r} cannot be imported ({hint}encoders are {FORMS})"):
        return importlib.import_module(name)
