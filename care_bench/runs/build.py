"""A run's augmentation and encoder, built from its configuration and its data set."""

from __future__ import annotations

from typing import Any

from care_bench.augmentations import Augmentation, ImageAugmentation, RandomRotation3D
from care_bench.config import RunConfig
from care_bench.config.run import ImageAugmentationConfig, RotationAugmentationConfig
from care_bench.data import PreparedDataset
from care_bench.errors import CareBenchError
from care_bench.models import Encoder, build_encoder
from care_bench.runs.randomness import derive_seed


def build_augmentation(
    settings: ImageAugmentationConfig | RotationAugmentationConfig, dataset: PreparedDataset, where: str
) -> Augmentation[Any]:
    """Build an augmentation for the images or point clouds of a data set.

    Args:
        settings: distributions of the augmentation and size of its views.
        dataset: whose samples it acts on.
        where: how errors name the place the settings come from, such as `run digits/care/seed0`.

    Raises:
        CareBenchError: the data set is of the other kind, or the settings do not fit its images.
    """
    kind = "image" if isinstance(settings, ImageAugmentationConfig) else "point_cloud"
    if kind != dataset.kind:
        raise CareBenchError(
            f"{where}: augmentation.kind = {settings.kind!r} does not apply to {dataset.name!r}, "
            f"whose samples are of kind {dataset.kind!r}"
        )
    if not isinstance(settings, ImageAugmentationConfig):
        return RandomRotation3D()
    height, width = dataset.train.inputs.shape[2:]
    try:
        return ImageAugmentation(
            input_size=(height, width),
            size=(settings.size, settings.size),
            mean=tuple(dataset.mean),
            std=tuple(dataset.std),
            **settings.distribution(),
        )
    except ValueError as error:
        raise CareBenchError(f"{where}: augmentation: {error}") from None


def build_run_encoder(config: RunConfig, dataset: PreparedDataset) -> Encoder:
    """Build the encoder of a run with its initial weights."""
    channels = dataset.train.inputs.shape[1]
    return build_encoder(config.encoder, channels, derive_seed(config.dataset, config.seed, "initial weights"))
