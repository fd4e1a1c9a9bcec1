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
"""Most lines that one piece of work prints to a log."""

Advance = Callable[[int, str], None]
"""Takes the amount done so far, and a note to show beside it."""


@contextmanager
def progress(title: str, total: int, start: int = 0) -> Iterator[Advance]:
    """Show progress and the time left on standard error.

    Args:
        title: the work and its unit, such as `cifar10: images`.
        total: amount of work.
        start: amount done by an earlier attempt, which the speed leaves out.
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
