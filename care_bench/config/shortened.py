"""Runs shortened to a few small steps, to check a profile end to end on any machine."""

from __future__ import annotations

import math
from contextlib import suppress

from care_bench.config.run import RunConfig, TrainingConfig

BATCHES = (8, 16, 32)
"""Batch sizes to try; the first that the method accepts is taken, else the run's own."""
EVALUATION = {"samples": 64, "augmentations": 2}
"""Upper limits of the evaluation of such a run."""


def shortened(run: RunConfig, steps: int) -> RunConfig:
    """Return the run cut to so many steps with a small batch on one device."""
    batch = run.training.batch_size
    for size in (*(size for size in BATCHES if size < batch), batch):
        method = run.method.shortened(size) if size < batch else run.method
        with suppress(ValueError):
            method.check_batch(size)
            break
    small = {"steps": steps, "devices": 1, "batchnorm": "per-device", "batch_size": size}
    training = run.training.model_copy(update={**small, "batchnorm_rows": _rows(run.training, size)})
    return run.model_copy(update={"training": training, "method": method})


def _rows(training: TrainingConfig, size: int) -> int | None:
    """Return rows whose BatchNorm statistics are taken together, at least two of a batch of ``size``; None: all."""
    rows = training.batchnorm_rows
    return rows if rows is None or size == training.batch_size else max(2, math.gcd(rows, size // 2))
