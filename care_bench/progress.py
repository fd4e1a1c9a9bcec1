"""Progress of long work: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINES = 10
"""Plain lines that one piece of work prints."""

Advance = Callable[[int, str], None]
"""Takes how much is done in all, and a note to show beside it."""


@contextmanager
def progress(title: str, total: int, start: int = 0) -> Iterator[Advance]:
    """Show on standard error how far a piece of work is, and how long the rest will take.

    Args:
        title: what is being done, and in what it is counted, such as `cifar10: images`.
        total: amount of work.
        start: how much of it was done before; it does not count for the speed.
    """
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total, completed=start, note="")
            yield lambda done, note: bar.update(task, completed=done, note=note)
        return

    began = time.perf_counter()
    last = start

    def line(done: int, note: str) -> None:
        nonlocal last
        if done * LINES // total > last * LINES // total:
            speed = (done - start) / max(time.perf_counter() - began, 1e-9)
            left = timedelta(seconds=round((total - done) / max(speed, 1e-9)))
            print(f"{title} {done}/{total}  {note}  {left} left", file=sys.stderr, flush=True)  # noqa: T201
        last = done

    yield line
