"""Effective rank (Roy and Vetterli 2007): how many dimensions the embeddings use."""

from __future__ import annotations

import torch
from torch import Tensor

from care_bench.data import PreparedDataset
from care_bench.evaluation.embed import Embedded
from care_bench.evaluation.measurement import Measurement, Metric, Protocol, single


def effective_rank(z: Tensor) -> float:
    """Return exp of the entropy of the normalised singular values: 1 if one is nonzero, d if d are equal.

    Args:
        z: (n, d), one embedding per row.

    Raises:
        ValueError: all embeddings are zero; the record then holds this message as its reason, and no value.
    """
    values = torch.linalg.svdvals(z.double())
    if not values.any():
        raise ValueError(f"embeddings of shape {tuple(z.shape)} are all zero; expected some that are not")
    return float(torch.special.entr(values / values.sum()).sum().exp())


def measure(embedded: Embedded) -> tuple[Measurement, ...]:
    """Measure the plain test embeddings; one measurement per metric."""
    return (single(effective_rank(embedded.test)),)


def skip(dataset: PreparedDataset) -> str | None:
    """Return why the protocol cannot measure a data set; None, since this one needs no labels."""
    return None


PROTOCOL = Protocol(
    id="effective-rank-v1",
    version=1,
    metrics=(Metric("effective_rank", unit="1", higher_is_better=None),),
    skip=skip,
    measure=measure,
    over_training=True,  # it needs only test embeddings, so it can measure snapshots too
)
