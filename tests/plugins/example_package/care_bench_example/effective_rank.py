"""Effective rank (Roy and Vetterli 2007): over how many dimensions the embeddings spread."""

from __future__ import annotations

import torch
from torch import Tensor

from care_bench.data import PreparedDataset
from care_bench.evaluation.embed import Embedded
from care_bench.evaluation.measurement import Measurement, Metric, Protocol, single


def effective_rank(z: Tensor) -> float:
    """Return exp of the entropy of the singular values over their sum: 1 for one direction, d for d equal ones.

    Args:
        z: (n, d), one embedding per row.

    Raises:
        ValueError: all embeddings are zero; the records then have this reason in place of a value.
    """
    values = torch.linalg.svdvals(z.double())
    if not values.any():
        raise ValueError(f"embeddings of shape {tuple(z.shape)} are all zero; expected some that are not")
    return float(torch.special.entr(values / values.sum()).sum().exp())


def measure(embedded: Embedded) -> tuple[Measurement, ...]:
    """Measure the plain test embeddings; one measurement per metric."""
    return (single(effective_rank(embedded.test)),)


def skip(dataset: PreparedDataset) -> str | None:
    """Return why a data set cannot be measured so: this one needs no labels and takes every data set."""
    return None


PROTOCOL = Protocol(
    id="effective-rank-v1",
    version=1,
    metrics=(Metric("effective_rank", unit="1", higher_is_better=None),),
    skip=skip,
    measure=measure,
    over_training=True,  # it looks at the test embeddings alone, so snapshots can be measured too
)
