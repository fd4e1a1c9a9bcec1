"""torch without its compiler, ``torch._dynamo``, whose import takes 1.5 s of processor time of every process.

Nothing here compiles, but other code asks for the compiler: lightning-fabric to recognise compiled modules, torch to
let functions of its own out of compilation. While it asks, it finds a stand-in with the few names that it uses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def standing_in(name: str, stand_in: ModuleType | None) -> Iterator[None]:
    """Let imports of a module find another one, or fail as if there were none, unless it is imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = stand_in  # type: ignore[assignment]  # None is the import system's own mark
    try:
        yield
    finally:
        del sys.modules[name]


def without_compiler() -> AbstractContextManager[None]:
    """Let imports of the compiler find a stand-in, in which no module is compiled and no function need be let out."""
    compiler = ModuleType("torch._dynamo")
    vars(compiler).update(OptimizedModule=type("OptimizedModule", (), {}), disable=_as_it_is)
    return standing_in("torch._dynamo", compiler)


def _as_it_is(function: F, recursive: bool = True, **settings: Any) -> F:
    return function
