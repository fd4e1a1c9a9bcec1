"""Runs shortened to a few small steps, to check a profile end to end on any machine."""

from __future__ import annotations

import math
from contextlib import suppress

from care_bench.config.methods.equivariant import EquivarianceTerm
from care_bench.config.run import RunConfig

BATCHES = (8, 16, 32)
"""Batch sizes to try; the first that the method accepts is taken."""
SPLITS = 4
"""Largest number of splits; it divides each of these batches into chunks of at least two."""
EVALUATION = {"samples": 64, "augmentations": 2}
"""Upper limits of the evaluation of such a run."""


def shortened(run: RunConfig, steps: int) -> RunConfig:
    """Return the run cut to so many steps with a small batch on one device."""
    small = {"steps": steps, "devices": 1, "batchnorm": "per-device"}
    batch, method = run.training.batch_size, run.method
    if isinstance(method, EquivarianceTerm):
        method = method.model_copy(update={"splits": math.gcd(method.splits, SPLITS)})
    for size in (*BATCHES, batch):
        training = run.training.model_copy(update={**small, "batch_size": min(size, batch)})
        with suppress(ValueError):
            method.check_batch(training.batch_size)
            break
    return run.model_copy(update={"training": training, "method": method})
