"""Progress of long work: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Report = Callable[[int, float], None]
LINES = 10
"""Plain lines a run prints."""


@contextmanager
def training_progress(title: str, start: int, total: int, batch_size: int) -> Iterator[Report]:
    """Show steps, loss, images/s and time left on standard error.

    Args:
        title: what is running.
        start: steps already done.
        total: steps of the whole run.
        batch_size: images per step.

    Yields:
        A function of (steps done, last loss).
    """
    began = time.perf_counter()

    def rate(step: int) -> float:
        return (step - start) * batch_size / max(time.perf_counter() - began, 1e-9)

    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total, completed=start, note="")
            yield lambda step, loss: bar.update(
                task, completed=step, note=f"loss {loss:.4f}  {rate(step):,.0f} images/s"
            )
        return

    def line(step: int, loss: float) -> None:
        if step * LINES // total > (step - 1) * LINES // total:
            left = timedelta(seconds=round((total - step) * batch_size / max(rate(step), 1e-9)))
            note = f"step {step}/{total}  loss {loss:.4f}  {rate(step):,.0f} images/s  {left} left"
            print(f"{title}: {note}", file=sys.stderr, flush=True)  # noqa: T201

    yield line
