"""A step of pretraining against the passes and the optimizer's step in it: same model, same views, one thread.

A step adds reading the batch, drawing and applying augmentations, and the log. Measured with the small convnet of the
default profile on its tinted digits, and with ResNets on images of 32 x 32; in processor time where there is no
accelerator.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.runs import described, random_images, run
from benchmarks.timing import Clock, Row, overhead
from care_bench.augmentations import draw
from care_bench.config import RunConfig, read_run
from care_bench.data import PreparedDataset, load, prepare
from care_bench.methods import View
from care_bench.runs import randomness
from care_bench.runs.device import best_device
from care_bench.runs.folder import RunFolder
from care_bench.training.pretrain import train_step
from care_bench.training.session import Session

PROFILE = Path(__file__).parents[1] / "workflows/config/smoke.yaml"
METHODS = ("simclr", "care")
RESNETS = {"resnet18": (32, 7), "resnet50": (16, 3)}
"""Backbone -> images of a batch, and pairs of timings."""
SIDE, IMAGES = 32, 256


def measure() -> list[Row]:
    """Time SimCLR and CARE with each encoder."""
    rows = [measure_digits(method) for method in METHODS]
    for backbone, (batch_size, pairs) in RESNETS.items():
        for method in METHODS:
            with on_images(method, backbone, batch_size) as session:
                rows.append(_against_bare(session, at_most=1.05, pairs=pairs))
    return rows


def measure_digits(variant: str) -> Row:
    """Time a row of the default profile on the tinted digits."""
    with on_digits(variant) as session:
        return _against_bare(session, at_most=1.25, pairs=30)


@contextmanager
def on_digits(variant: str, **training: str) -> Iterator[Session]:
    """Open a row of the default profile on the tinted digits, with other settings of the training."""
    config = read_run(PROFILE, f"tinted_digits/{variant}/seed0")
    config = config.model_copy(update={"training": config.training.model_copy(update=training)})
    with tempfile.TemporaryDirectory() as folder:
        prepare(config.dataset, Path(folder))
        with opened(config, load(config.dataset, Path(folder))) as session:
            yield session


@contextmanager
def on_images(method: str, backbone: str, batch_size: int, **training: str) -> Iterator[Session]:
    """Open a run on random images of 3 x 32 x 32, with one thread and the optimizer of the preset `cifar`.

    Args:
        method: a key of ``benchmarks.runs.METHODS``.
        backbone: a ResNet or `convnet`.
        batch_size: images of a batch.
        training: other settings of the training.
    """
    of = {"name": backbone} if backbone == "convnet" else {"name": backbone, "stem": "small-image"}
    settings = {"batch_size": batch_size, "devices": 1, "threads": 1, **training}
    config = run("made", "cifar", method, encoder={"backbone": of}, training=settings)
    with opened(config, random_images("made", IMAGES, SIDE)) as session:
        yield session


@contextmanager
def opened(config: RunConfig, dataset: PreparedDataset) -> Iterator[Session]:
    """Open a run for training, in a folder that is gone at the end."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session.open(config, dataset, RunFolder(Path(folder) / "run"))
        session.model.train()
        with session.log:
            yield session


def clock() -> Clock:
    """Return the clock for steps: the processor's where it does the work."""
    return time.process_time if best_device().type == "cpu" else time.perf_counter


def ready_views(session: Session) -> list[View]:
    """Return the views of a step, drawn and augmented."""
    batch = session.batches.take(session.batches.rows(0))
    generator = randomness.generator("bare")
    drawn = [draw(session.augmentation, len(batch), k, generator) for k in session.module.method.draws(len(batch))]
    return [View(session.augmentation.apply(batch, parameters), parameters) for parameters in drawn]


def _against_bare(session: Session, at_most: float, pairs: int) -> Row:
    name = f"training step of {described(session.config)}, against its bare passes and its optimizer's step"
    return overhead(name, lambda: train_step(session), _bare(session), at_most=at_most, pairs=pairs, clock=clock())


def _bare(session: Session) -> Callable[[], object]:
    views = ready_views(session)

    def work() -> None:
        loss, *_ = session.module(views)
        loss.backward()
        session.optimizer.step()
        session.optimizer.zero_grad()

    return work
