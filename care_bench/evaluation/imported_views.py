"""Under which augmentation, and in which plain view, an imported encoder is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from care_bench.augmentations import Augmentation, ImageAugmentation, RandomRotation3D
from care_bench.config.run import ImageAugmentationConfig, RotationAugmentationConfig
from care_bench.data import PreparedDataset
from care_bench.errors import CareBenchError
from care_bench.imported import Imported


@dataclass(frozen=True)
class Views:
    """The views that an imported encoder is given.

    Attributes:
        drawn: the distribution of the draws, with the size that the encoder takes and the plain view's kind.
        asked: the distribution that was asked for, the same for encoders of all sizes.
        centre: side in pixels of the middle of an image that the plain view shows, scaled to that size; None where it
            shows the whole image, and for point clouds.
    """

    drawn: ImageAugmentationConfig | RotationAugmentationConfig
    asked: ImageAugmentationConfig | RotationAugmentationConfig
    centre: int | None = None

    @property
    def plain(self) -> str:
        """The plain view in words."""
        if not isinstance(self.drawn, ImageAugmentationConfig):
            return "the point cloud as it is"
        shown = "the whole image" if self.centre is None else f"centre-crop of {self.centre} px"
        return f"{shown}, at {self.drawn.size} px"

    @property
    def blur(self) -> str:
        """How the blur is scaled to the encoder's size, in words; "" where it is not, or none acts."""
        drawn, asked = self.drawn, self.asked
        if not isinstance(drawn, ImageAugmentationConfig) or not isinstance(asked, ImageAugmentationConfig):
            return ""
        return "" if drawn.size == asked.size else f"as on views of {asked.size} px, scaled to {drawn.size} px"

    def augmentation(self, dataset: PreparedDataset, where: str) -> Augmentation[Any]:
        """Return the augmentation with views in [0, 1], which the encoder normalises itself.

        Raises:
            CareBenchError: it does not fit the images.
        """
        drawn, centre = self.drawn, self.centre
        if not isinstance(drawn, ImageAugmentationConfig):
            return RandomRotation3D()
        channels, height, width = dataset.train.inputs.shape[1:]
        try:
            return ImageAugmentation(
                input_size=(height, width),
                size=(drawn.size, drawn.size),
                mean=(0.0,) * channels,
                std=(1.0,) * channels,
                centre=None if centre is None else (centre, centre),
                **drawn.distribution(),
            )
        except ValueError as error:
            raise CareBenchError(f"{where}: augmentation: {error}") from None


def default_augmentation(dataset: PreparedDataset) -> ImageAugmentationConfig:
    """Return SimCLR's augmentation with CARE's strengths; the blur's kernel is a tenth of the image, as in SimCLR."""
    side = min(dataset.train.inputs.shape[2:])
    kernel = max(3, side // 10 // 2 * 2 + 1)
    try:
        return ImageAugmentationConfig(kind="image", size=side, blur_kernel=kernel)
    except ValueError as error:
        raise CareBenchError(f"{dataset.name}: its images have {side} px on a side: {error}") from None


def views_of(
    given: ImageAugmentationConfig | RotationAugmentationConfig | None,
    dataset: PreparedDataset,
    loaded: Imported,
    where: str,
) -> Views:
    """Return the views of an encoder, of the size that it takes.

    The plain view shows the part of an image that a run's own does, if the encoder is a run, else that of the given
    augmentation: the whole image, or as much of its middle as a centre crop of that augmentation's size.

    Args:
        given: the augmentation of the evaluation; None: the default one.
        dataset: its data.
        loaded: the encoder.
        where: names it in errors.

    Raises:
        CareBenchError: an augmentation of the other kind, or a blur that is too wide for the size.
    """
    if dataset.kind == "point_cloud":
        if isinstance(given, ImageAugmentationConfig):
            raise CareBenchError(f"{where}: augmentation.kind = 'image'; expected 'rotation', for point clouds")
        rotation = RotationAugmentationConfig(kind="rotation")
        return Views(rotation, rotation)
    assert loaded.size is not None
    if isinstance(given, RotationAugmentationConfig):
        raise CareBenchError(f"{where}: augmentation.kind = 'rotation'; expected 'image', for images")
    chosen = given or default_augmentation(dataset)
    shape = loaded.own_view or chosen
    try:
        drawn = chosen.on_views(loaded.size, shape.test_view)
    except ValueError as error:
        raise CareBenchError(f"{where}: augmentation: {error}") from None
    return Views(drawn, chosen, shape.size if shape.test_view == "centre-crop" else None)
