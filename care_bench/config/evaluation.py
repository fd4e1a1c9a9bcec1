"""Settings of the evaluation, the same for every run of a profile."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from care_bench.config.base import Settings


class EvaluationConfig(Settings):
    """What a frozen checkpoint is measured with; the protocols themselves are fixed by their ids."""

    augmentations: Annotated[int, Field(ge=2)] = 20
    """Number of sampled augmentations for Wahba's error, the relative equivariance and the cosines."""
    augmentation_seed: NonNegativeInt = 0
    """Seed of these augmentations: every run of a data set is measured under the same ones."""
    classifier_seeds: PositiveInt = 3
    """Initialisations of the linear classifier in protocol paper-small-v1."""
    samples: PositiveInt | None = None
    """Evaluate this many samples of each split, evenly spaced, to check a profile end to end; None: all of them."""
    batch_size: PositiveInt = 512
    """Samples embedded at a time; it changes speed and memory, not the protocol."""
