"""A step of pretraining against the passes and the optimizer's step in it: same model, same views, one thread.

A step adds reading the batch, drawing and applying augmentations, and the log. Measured with the small convnet of the
default profile on its tinted digits, in processor time where there is no accelerator.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.timing import Row, overhead
from care_bench.augmentations import draw
from care_bench.config import read_run
from care_bench.data import load, prepare
from care_bench.methods import View
from care_bench.runs import randomness
from care_bench.runs.device import best_device
from care_bench.runs.folder import RunFolder
from care_bench.training.pretrain import train_step
from care_bench.training.session import Session

PROFILE = Path(__file__).parents[1] / "workflows/config/smoke.yaml"


def measure() -> list[Row]:
    """Time SimCLR and CARE."""
    return [_measure(f"tinted_digits/{variant}/seed0") for variant in ("simclr", "care")]


def _measure(run: str) -> Row:
    config = read_run(PROFILE, run)
    with tempfile.TemporaryDirectory() as folder:
        prepare(config.dataset, Path(folder))
        session = Session.open(config, load(config.dataset, Path(folder)), RunFolder(Path(folder) / "run"))
        session.model.train()
        with session.log:
            name = f"training step of {run}, against its bare passes and its optimizer's step"
            clock = time.process_time if best_device().type == "cpu" else time.perf_counter
            return overhead(name, lambda: train_step(session), _bare(session), at_most=1.25, pairs=30, clock=clock)


def ready_views(session: Session) -> list[View]:
    """Return the views of a step, drawn and augmented."""
    batch = session.batches.take(session.batches.rows(0))
    generator = randomness.generator("bare")
    drawn = [draw(session.augmentation, len(batch), k, generator) for k in session.module.method.draws(len(batch))]
    return [View(session.augmentation.apply(batch, parameters), parameters) for parameters in drawn]


def _bare(session: Session) -> Callable[[], object]:
    views = ready_views(session)

    def work() -> None:
        loss, *_ = session.module(views)
        loss.backward()
        session.optimizer.step()
        session.optimizer.zero_grad()

    return work
