"""A step of pretraining against the forward and backward pass it contains: same model, same views, one thread.

A step adds reading the batch, drawing and applying augmentations, the optimizer and the log. Measured with the small
convnet of the default profile on its tinted digits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.timing import Row, overhead
from care_bench.augmentations import draw
from care_bench.config import read_run
from care_bench.data import load, prepare
from care_bench.methods import View
from care_bench.runs import randomness
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
            name = f"training step of {run}, against its bare forward and backward pass"
            return overhead(name, lambda: train_step(session), _bare(session), at_most=1.25, pairs=30)


def _bare(session: Session) -> Callable[[], object]:
    batch = session.batches.take(session.batches.rows(0))
    generator = randomness.generator("bare")
    drawn = [draw(session.augmentation, len(batch), k, generator) for k in session.module.method.draws(len(batch))]
    views = [View(session.augmentation.apply(batch, parameters), parameters) for parameters in drawn]

    def work() -> None:
        loss, _ = session.module(views)
        loss.backward()
        session.module.zero_grad()

    return work
