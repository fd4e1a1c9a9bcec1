"""Entries of the equivariant methods, CARE and those it is compared with, each around a base method."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import PositiveFloat, PositiveInt, model_validator

from care_bench.config.methods.base import AnyBaseSettings, MethodSettings, Weight, Width, method
from care_bench.names import Fidelity, Representation

if TYPE_CHECKING:
    from care_bench.config.run import AugmentationConfig

SHORT_SPLITS = 4
"""Largest number of splits in a check; it divides a batch of 8 into chunks of two."""


class EquivarianceTerm(MethodSettings):
    """Settings of the equivariance term: chunks, formula, representation, and sharing of augmentations."""

    wrapper = True

    splits: PositiveInt
    """Number of chunks a batch is divided into for the equivariance term."""
    fidelity: Fidelity = "paper"
    """`paper`: mean over pairs; `released-code`: 2 (chunk - 1) times that, as the released implementation has it."""
    sharing: Literal["chunk", "batch"] | None = None
    """One draw per `chunk` or per `batch`; the default is the fidelity's own: paper chunk, released-code batch."""
    representation: Representation = "projection"
    """Which unit vectors the term acts on: the projection head's, as in the paper, or the backbone's features."""
    loss: Literal["gram", "wahba"] = "gram"
    """`gram`: the paper's difference of inner products; `wahba`: the residual of the best rotation of each chunk."""

    @model_validator(mode="before")
    @classmethod
    def _sharing_follows_fidelity(cls, content: Any) -> Any:
        if isinstance(content, dict) and content.get("sharing") is None:
            default = "batch" if content.get("fidelity", "paper") == "released-code" else "chunk"
            return {**content, "sharing": default}
        return content

    @model_validator(mode="after")
    def _wahba_has_one_reading(self) -> Self:
        if self.loss == "wahba" and self.fidelity == "released-code":
            raise ValueError("loss 'wahba' is not in the released code; expected fidelity 'paper' (or loss 'gram')")
        return self

    @property
    def fidelity_used(self) -> Fidelity | None:
        """The chosen fidelity; None for Wahba's error, which has one reading."""
        return self.fidelity if self.loss == "gram" else None

    def check_batch(self, batch_size: int) -> None:
        """Raise ValueError unless the batch divides into chunks of at least two."""
        if batch_size % self.splits:
            raise ValueError(f"splits = {self.splits} does not divide batch_size = {batch_size}; expected a divisor")
        if batch_size // self.splits < 2:
            raise ValueError(
                f"splits = {self.splits} leaves chunks of one at batch_size = {batch_size}; "
                f"expected at most {batch_size // 2}, since the loss compares pairs"
            )

    def shortened(self, batch_size: int) -> Self:
        """Return the settings with at most ``SHORT_SPLITS`` splits, which divide every batch of a check."""
        return self.model_copy(update={"splits": math.gcd(self.splits, SHORT_SPLITS)})


class SiameseWrapper(MethodSettings):
    """A base method and other terms on the features of its two views."""

    wrapper = True

    base: AnyBaseSettings
    """Settings of the wrapped method, one of two views: simclr, byol, barlow_twins or invariance."""

    @model_validator(mode="after")
    def _base_is_siamese(self) -> Self:
        if not self.base.siamese:
            raise ValueError(
                f"{self.name} cannot wrap {self.base.name!r}; expected a method on the features of two views, "
                "such as simclr or byol"
            )
        return self

    @property
    def base_name(self) -> str:
        """Name of the wrapped method."""
        return self.base.name

    @property
    def batchnorm_groups(self) -> int:
        """Groups of a batch that the base method asks for."""
        return self.base.batchnorm_groups

    def check_batch(self, batch_size: int) -> None:
        """Raise ValueError where the base method cannot work on batches of this size."""
        self.base.check_batch(batch_size)

    def shortened(self, batch_size: int) -> Self:
        """Return the settings with the base method's shortened."""
        return self.model_copy(update={"base": self.base.shortened(batch_size)})


@method
class EquiModSettings(SiameseWrapper):
    """The embedding of an augmented view is predicted from the plain view's embedding and the augmentation."""

    implementation = "care_bench.methods.equimod:EquiMod"
    label = "EquiMod"
    name: Literal["equimod"]
    weight: Weight = 1.0
    """Weight of the added term."""
    temperature: PositiveFloat = 0.2
    """Temperature of the NT-Xent between predicted and actual embedding."""
    projector_hidden: tuple[Width, ...] = (2048, 2048)
    """Hidden widths of the projection head of the equivariant embedding."""
    projector_output: Width = 128
    """Dimension of the equivariant embedding."""


@method
class AugSelfSettings(SiameseWrapper):
    """The two views' differences in crop and in colour are predicted from their features, by a head each."""

    implementation = "care_bench.methods.augself:AugSelf"
    label = "AugSelf"
    name: Literal["augself"]
    crop_weight: Weight = 1.0
    """Weight of the crop's term; 1 in the release for STL10, 0.5 for ImageNet100."""
    colour_weight: Weight = 1.0
    """Weight of the colour's term; 1 in the release for STL10, 0.5 for ImageNet100."""
    predictor_hidden: tuple[Width, ...] = (512, 512)
    """Hidden widths of each head."""

    def check_augmentation(self, augmentation: AugmentationConfig) -> None:
        """Raise ValueError unless the views are crops of upright images."""
        if augmentation.kind != "image":
            raise ValueError(
                f"augself predicts crop and colour, which an augmentation of kind {augmentation.kind!r} does not have; "
                "expected images, or the method parameter_prediction"
            )
        if augmentation.rotation_degrees > 0:
            raise ValueError(
                "augself predicts the crop of upright images and no rotation; augmentation.rotation_degrees is "
                f"{augmentation.rotation_degrees:g}, expected 0, or the method parameter_prediction"
            )


@method
class ParameterPredictionSettings(SiameseWrapper):
    """The difference of the two views' augmentation parameters, all of them, is predicted from their features."""

    implementation = "care_bench.methods.parameter_prediction:ParameterPrediction"
    label = "parameter prediction"
    name: Literal["parameter_prediction"]
    weight: Weight = 1.0
    """Weight of the added term."""
    predictor_hidden: tuple[Width, ...] = (512, 512)
    """Hidden widths of the predictor."""


@method
class CareSettings(EquivarianceTerm):
    """A base method plus weight times the equivariance term."""

    implementation = "care_bench.methods.care:Care"
    label = "CARE"
    name: Literal["care"]
    base: AnyBaseSettings
    """Settings of the wrapped method."""
    weight: Weight
    """Weight of the equivariance term, the paper's lambda."""

    @property
    def base_name(self) -> str:
        """Name of the wrapped method."""
        return self.base.name

    @property
    def batchnorm_groups(self) -> int:
        """Groups of a batch that the base method asks for."""
        return self.base.batchnorm_groups

    def check_batch(self, batch_size: int) -> None:
        """Raise ValueError unless both the chunks and the base method go with the batch."""
        super().check_batch(batch_size)
        self.base.check_batch(batch_size)

    def shortened(self, batch_size: int) -> Self:
        """Return the settings with fewer splits and the base method's shortened."""
        return super().shortened(batch_size).model_copy(update={"base": self.base.shortened(batch_size)})
