"""Progress of a run in training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from care_bench.progress import progress

Report = Callable[[int, float], None]


@contextmanager
def training_progress(title: str, start: int, total: int, batch_size: int) -> Iterator[Report]:
    """Show steps, loss, images/s and time left on standard error.

    Args:
        title: names the run.
        start: steps already done.
        total: steps of the whole run.
        batch_size: images per step.

    Yields:
        A function of (steps done, last loss).
    """
    began = time.perf_counter()
    with progress(f"{title}: step", total, start) as advance:

        def report(step: int, loss: float) -> None:
            rate = (step - start) * batch_size / max(time.perf_counter() - began, 1e-9)
            # NaN: not fetched from the accelerator yet.
            known = "" if math.isnan(loss) else f"loss {loss:.4f}  "
            advance(step, f"{known}{rate:,.0f} images/s")

        yield report
