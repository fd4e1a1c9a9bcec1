"""Settings of the evaluation: of a whole profile, and with an augmentation of one data set."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt

from care_bench.config.base import Settings
from care_bench.config.run import AugmentationConfig, ImageAugmentationConfig, RunConfig
from care_bench.errors import CareBenchError


class EvaluationPlan(Settings):
    """How the frozen encoders of a profile are measured; the protocols themselves are fixed by their ids."""

    augmentations: Annotated[int, Field(ge=2)] = 20
    """Number of sampled augmentations for Wahba's error, the relative equivariance and the cosines."""
    augmentation_seed: NonNegativeInt = 0
    """Seed of these augmentations: every run of a data set is measured under the same ones."""
    classifier_seeds: PositiveInt = 3
    """Initialisations of the linear classifier in the paper's and the released codes' probes: paper-small-v1,
    paper-imagenet100-v1, released-small-v1 and augmented-imagenet100-v1."""
    augmented_probe: bool = False
    """Train linear classifiers on augmented training images too, as the released codes do: released-small-v1, and
    augmented-imagenet100-v1. It embeds the training split 100 or 60 times."""
    retrieval_queries: PositiveInt | None = 1024
    """Most test samples whose nearest training samples protocol retrieval-v1 finds, plain and under each augmentation:
    a random part of a larger test split. None: all of them."""
    samples: PositiveInt | None = None
    """Evaluate at most this many samples of each split, evenly spaced, to check a profile end to end; records
    and tables say so. None: all of them."""
    batch_size: PositiveInt = 512
    """Samples embedded at a time; it changes speed and memory, not the protocol."""


class EvaluationConfig(EvaluationPlan):
    """How the frozen encoders of one data set are measured."""

    augmentation: AugmentationConfig | None = None
    """Distribution of the augmentations, the same for all variants of a data set; None: the run's own. The views have
    the run's size and `test_view`; an encoder that was trained elsewhere has a size of its own, and sees as much of an
    image as this plain view shows. The blur is in pixels of this `size`: on other views it is as wide relative to
    them."""

    def augmentation_of(self, run: RunConfig) -> AugmentationConfig:
        """Return the augmentation a run is measured under: this distribution, in views of the run's shape.

        Raises:
            CareBenchError: the run's inputs are of another kind, or its views too small for the blur.
        """
        own, ours = run.augmentation, self.augmentation
        where = f"run {run.id}: evaluation.augmentation"
        if ours is None:
            return own
        if ours.kind != own.kind:
            raise CareBenchError(f"{where}.kind = {ours.kind!r}; expected {own.kind!r}, as the run has")
        try:
            return ours.in_shape_of(own)  # type: ignore[arg-type]  # of one kind, as was checked
        except ValueError as error:
            raise CareBenchError(f"{where}: {error}") from None

    def pixel(self, size: int) -> float:
        """Return how many pixels of a view of this size are a pixel of the blur's settings."""
        ours = self.augmentation
        return size / ours.size if isinstance(ours, ImageAugmentationConfig) else 1.0

    def recorded(self, run: RunConfig) -> dict[str, Any]:
        """Return what the measurements of a run depend on apart from its configuration, for its records.

        Numbers of two runs can be in one column of a table if this is the same for both.
        """
        own = self.augmentation_of(run)
        return self.recorded_under(self.augmentation or own)

    def recorded_under(self, augmentation: AugmentationConfig) -> dict[str, Any]:
        """Return what the measurements under an augmentation depend on apart from the encoder."""
        return {**self.model_dump(mode="json", exclude={"batch_size"}), "augmentation": augmentation.drawn()}
