"""Entries of the methods that an equivariant method may wrap."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat

from care_bench.config.methods.base import MethodSettings, Momentum, Weight, Width, method


@method
class SimCLRSettings(MethodSettings):
    """InfoNCE between two views: the invariance term -s+/temperature, weighted, plus the uniformity term."""

    implementation = "care_bench.methods.simclr:SimCLR"
    label = "SimCLR"
    siamese = True
    name: Literal["simclr"]
    temperature: PositiveFloat = 0.5
    """Temperature of InfoNCE."""
    invariance_weight: Weight = 1.0
    """Weight of InfoNCE's invariance term; 1 is InfoNCE itself."""
    negatives_per: Annotated[int, Field(ge=2)] | None = None
    """Images of a batch whose views are each other's negatives, whatever the number of devices; None: all of them."""

    def check_batch(self, batch_size: int) -> None:
        """Raise ValueError unless the batch divides into groups of negatives."""
        if self.negatives_per is not None and batch_size % self.negatives_per:
            raise ValueError(
                f"negatives_per = {self.negatives_per} does not divide batch_size = {batch_size}; expected a divisor"
            )

    def shortened(self, batch_size: int) -> Self:
        """Return the settings with groups of at most half of the batch."""
        if self.negatives_per is None:
            return self
        return self.model_copy(update={"negatives_per": max(2, math.gcd(self.negatives_per, batch_size // 2))})


@method
class MoCoV2Settings(MethodSettings):
    """InfoNCE of a query against the key of a momentum encoder and a queue of older keys."""

    implementation = "care_bench.methods.moco_v2:MoCoV2"
    label = "MoCo-v2"
    name: Literal["moco_v2"]
    temperature: PositiveFloat = 0.2
    """Temperature of InfoNCE."""
    queue: Annotated[int, Field(ge=1, le=2**24)] = 65536
    """Number of keys in the queue; a multiple of the keys of a step, so that none is split."""
    momentum: Momentum = 0.999
    """Share of the momentum encoder that a step keeps."""
    symmetric: bool = False
    """Whether each view is query once and key once; a step then queues the keys of both."""
    split_batchnorm: Annotated[int, Field(ge=1, le=4096)] = 1
    """Groups of a batch with BatchNorm statistics of their own, as if each were on its own device; the keys are then
    shuffled over the groups. 8 in MoCo's CIFAR10 example; 1: BatchNorm sees the batch or the device's shard of it."""

    @property
    def batchnorm_groups(self) -> int:
        """Groups of a batch whose BatchNorm statistics are taken apart."""
        return self.split_batchnorm

    def check_batch(self, batch_size: int) -> None:
        """Raise ValueError unless the queue takes whole steps and the groups have at least two rows each."""
        if batch_size % self.split_batchnorm or batch_size // self.split_batchnorm < 2:
            raise ValueError(
                f"split_batchnorm = {self.split_batchnorm} at batch_size = {batch_size}; expected a divisor that "
                "leaves at least two rows a group"
            )
        keys = batch_size * (2 if self.symmetric else 1)
        if self.queue % keys:
            raise ValueError(
                f"queue = {self.queue} is not a multiple of the {keys} keys of a step; expected a multiple"
            )

    def shortened(self, batch_size: int) -> Self:
        """Return the settings with so many groups that each has at least two rows."""
        groups = math.gcd(self.split_batchnorm, batch_size // 2)
        return self.model_copy(update={"split_batchnorm": groups})


@method
class BYOLSettings(MethodSettings):
    """A predictor on one view's projection predicts the other view's projection by a momentum encoder."""

    implementation = "care_bench.methods.byol:BYOL"
    label = "BYOL"
    siamese = True
    name: Literal["byol"]
    predictor_hidden: Width = 4096
    """Width of the predictor's hidden layer."""
    momentum: Momentum = 0.996
    """Share of the momentum encoder that the first step keeps; it rises to 1 on a cosine."""


@method
class BarlowTwinsSettings(MethodSettings):
    """The cross-correlation of two views' projections is driven towards the identity matrix."""

    implementation = "care_bench.methods.barlow_twins:BarlowTwins"
    label = "Barlow Twins"
    siamese = True
    name: Literal["barlow_twins"]
    off_diagonal_weight: Weight = 0.0051
    """Weight of the redundancy reduction term."""
