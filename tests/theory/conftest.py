"""One process that runs pytest many times, with the slow imports made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.forks import start_fork


class Outcome(NamedTuple):
    """How pytest ended and what it printed."""

    code: int
    output: str


RunPytest = Callable[..., Outcome]


@contextmanager
def warm_pytest(path: Path | None = None, modules: Iterable[str] = ()) -> Iterator[RunPytest]:
    """Start ``warm_pytest.py`` in a fork, and yield a function that runs pytest in a folder.

    Args:
        path: its PYTHONPATH.
        modules: what it imports once for all runs, besides what the theory checks need.
    """
    pipe, other = Pipe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEOMSTATS_BACKEND", "numpy")
        patch.setenv("PYTHONPATH", str(path or ""))
        process = start_fork(_serve, other, tuple(modules))

    def run(folder: Path, *arguments: str) -> Outcome:
        pipe.send((str(folder), arguments))
        return Outcome(*pipe.recv())

    yield run
    pipe.send(None)
    process.join()


def _serve(pipe: Connection, modules: tuple[str, ...]) -> None:
    from tests.theory.warm_pytest import main  # in the fork alone: it imports geomstats

    main(pipe, modules)
