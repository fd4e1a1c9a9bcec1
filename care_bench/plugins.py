"""Components of other packages, found through entry points and imported on first use."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module, metadata
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

from care_bench.errors import CareBenchError, raised_at
from care_bench.names import FILE_NAME
from care_bench.untrusted import is_memory_short

METHODS = "care_bench.methods"
DATASETS = "care_bench.datasets"
EVALUATIONS = "care_bench.evaluations"
BACKBONES = "care_bench.backbones"
CLAIMS = "care_bench.claims"
GROUPS = (METHODS, DATASETS, EVALUATIONS, BACKBONES, CLAIMS)
"""Entry point groups under which a package offers components."""

T = TypeVar("T")


class Extension(NamedTuple):
    """A component that an installed package offers, and the package."""

    group: str
    name: str
    package: str
    version: str


class Registry(UserDict[str, T], Generic[T]):
    """Components by name: ours in their order, then those of installed packages, sorted by name.

    A component of another package is imported when it is looked up, not when names are listed. So one that cannot be
    imported, or whose name is taken, raises an error only when it is used.

    Args:
        group: entry point group.
        ours: the components that come with care_bench.
        check: takes a name, and one of ours or the object of an entry point; returns the component, or raises
            ValueError saying what was expected.
    """

    def __init__(self, group: str, ours: Mapping[str, Any], check: Callable[[str, Any], T]) -> None:
        super().__init__(ours)
        self.group = group
        self.check = check
        self.loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """Return a component.

        Raises:
            KeyError: no component has this name.
            CareBenchError: the name has two owners; or another package's component cannot be imported, is not what
                its group expects, or has a name that cannot be a folder. One line that names the package.
        """
        points = _offered(self.group).get(name, [])
        if name in self.data and points:
            raise CareBenchError(
                f"{_described(points[0])} has the name of one that comes with care_bench; expected another name: "
                "rename it, or uninstall the package"
            )
        if name not in self.data and not points:
            raise KeyError(name)
        if not points:
            return self.check(name, self.data[name])
        if name not in self.loaded:
            self.loaded[name] = self._load(points)
        return self.loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self.data or name in _offered(self.group)

    def __iter__(self) -> Iterator[str]:
        return chain(self.data, (name for name in _offered(self.group) if name not in self.data))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _load(self, points: list[metadata.EntryPoint]) -> T:
        point = points[0]
        if len(points) > 1:
            raise CareBenchError(
                f"{' and '.join(map(_described, points))} have the same name; expected one: uninstall the other package"
            )
        if not FILE_NAME.fullmatch(point.name):
            raise CareBenchError(
                f"{_described(point)} cannot be a folder; expected ASCII letters, digits, '.', '_' and '-'"
            )
        try:
            found = point.load()
        except (Exception, SystemExit) as error:  # another package's code may raise anything
            reason = _one_line(f"{type(error).__name__}: {error}")
            raise CareBenchError(
                f"{_described(point)} cannot be imported ({reason}){raised_at(error)}; repair or uninstall the package"
            ) from error
        try:
            return self.check(point.name, found)
        except ValueError as error:
            raise CareBenchError(_one_line(f"{_described(point)} {error}")) from None
        except Exception as error:  # what it refers to may raise anything
            raise _failed(_described(point), "cannot be used", error) from error


def owner(group: str, name: str) -> str | None:
    """Return the component of an installed package with that name, and the package, in words; None for one of ours."""
    points = _offered(group).get(name)
    return _described(points[0]) if points else None


@contextmanager
def guarded(package: str | None, what: str) -> Iterator[None]:
    """Turn what the code of another package raises into one line that names it.

    Mistakes in our own code keep their traceback, and so does what means that memory is short.

    Args:
        package: the component, as :func:`owner` has it.
        what: what it failed to do.

    Raises:
        CareBenchError: the body raised; one raised by the body itself passes unchanged.
    """
    try:
        yield
    except CareBenchError:
        raise
    except (Exception, SystemExit) as error:  # another package's code may raise anything
        if package is None or (isinstance(error, Exception) and is_memory_short(error)):
            raise
        raise _failed(package, what, error) from error


def _failed(described: str, what: str, error: BaseException) -> CareBenchError:
    said = ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
    return CareBenchError(f"{described} {what} ({said}){raised_at(error)}; repair or uninstall the package")


def load(reference: str) -> Any:
    """Import the object that `package.module:name` refers to."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def extensions() -> tuple[Extension, ...]:
    """Return the components of installed packages by group and name, without importing them."""
    return tuple(_extension(point) for group in GROUPS for points in _offered(group).values() for point in points)


@cache
def _offered(group: str) -> dict[str, list[metadata.EntryPoint]]:
    """Return entry points by name, sorted: the order of the folders on the path differs between machines."""
    offered: dict[str, list[metadata.EntryPoint]] = {}
    for point in sorted(metadata.entry_points(group=group), key=_extension):
        offered.setdefault(point.name, []).append(point)
    return offered


def _extension(point: metadata.EntryPoint) -> Extension:
    # An interrupted installation may leave a package without name or version.
    package, version = (point.dist.name, point.dist.version) if point.dist else (None, None)
    return Extension(point.group, point.name, package or "unknown", version or "unknown")


def _described(point: metadata.EntryPoint) -> str:
    group, name, package, version = _extension(point)
    return f"{name!r} of package {package} {version} (entry point {group}: {point.value})"


def _one_line(text: str) -> str:
    return " ".join(text.split())
