"""Progress of long work: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

LINES = 10
"""Most lines that one piece of work prints to a log."""
SOON = 10.0
"""Seconds of work before which nothing is said of the time that is left: the first steps are not like the others."""

Advance = Callable[[int, str], None]
"""Takes the amount done so far, and a note to show beside it."""


class TimeLeft(TimeRemainingColumn):
    """The time left, once it can be told."""

    def render(self, task: Task) -> Text:
        """Return the text beside the bar."""
        return super().render(task) if (task.elapsed or 0) >= SOON else Text()


@contextmanager
def progress(title: str, total: int, start: int = 0, silent: float = 0.0) -> Iterator[Advance]:
    """Show progress on standard error, and the time left once it can be told.

    Args:
        title: the work and its unit, such as `cifar10: images`.
        total: amount of work.
        start: amount done by an earlier attempt, which the speed leaves out.
        silent: seconds before which a log gets no line, for work that is mostly short.
    """
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(
            *columns,
            TimeLeft(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # else a line for a file or pipe would go to the terminal
        ) as bar:
            task = bar.add_task(title, total=total, completed=start, note="")
            yield lambda done, note: bar.update(task, completed=done, note=note)
        return

    began = time.perf_counter()
    last = start

    def line(done: int, note: str) -> None:
        nonlocal last
        if done * LINES // total > last * LINES // total and (taken := time.perf_counter() - began) >= silent:
            seconds = round((total - done) * taken / (done - start)) if taken >= SOON and done > start else None
            left = "" if seconds is None else f"{timedelta(seconds=seconds)} left"
            parts = (f"{title} {done}/{total}", note, left)
            print("  ".join(part for part in parts if part), file=sys.stderr, flush=True)  # noqa: T201
        last = done

    yield line
