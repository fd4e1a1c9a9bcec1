"""A run's parts, built from its configuration and its data set."""

from __future__ import annotations

from typing import Any

from care_bench.augmentations import Augmentation, ImageAugmentation, RandomRotation3D
from care_bench.config import RunConfig
from care_bench.config.run import ImageAugmentationConfig
from care_bench.data import PreparedDataset
from care_bench.errors import CareBenchError
from care_bench.models import Encoder, build_encoder
from care_bench.runs.randomness import derive_seed


def build_augmentation(config: RunConfig, dataset: PreparedDataset) -> Augmentation[Any]:
    """Build the augmentation of a run for the images or point clouds of a data set.

    Raises:
        CareBenchError: the data set is of the other kind, or the settings do not fit its images.
    """
    settings = config.augmentation
    kind = "image" if isinstance(settings, ImageAugmentationConfig) else "point_cloud"
    if kind != dataset.kind:
        raise CareBenchError(
            f"run {config.id}: augmentation.kind = {settings.kind!r} does not apply to {dataset.name!r}, "
            f"whose samples are of kind {dataset.kind!r}"
        )
    if not isinstance(settings, ImageAugmentationConfig):
        return RandomRotation3D()
    height, width = dataset.train.inputs.shape[2:]
    values = settings.model_dump(exclude={"kind", "size"})
    try:
        return ImageAugmentation(
            input_size=(height, width),
            size=(settings.size, settings.size),
            mean=tuple(dataset.mean),
            std=tuple(dataset.std),
            **values,
        )
    except ValueError as error:
        raise CareBenchError(f"run {config.id}: augmentation: {error}") from None


def build_run_encoder(config: RunConfig, dataset: PreparedDataset) -> Encoder:
    """Build the encoder of a run with its initial weights."""
    channels = dataset.train.inputs.shape[1]
    return build_encoder(config.encoder, channels, derive_seed(config.dataset, config.seed, "initial weights"))
