"""AugSelf (Lee et al. 2021): two views' differences in crop and in colour are predicted from their features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from care_bench.augmentations import ImageAugmentation, ImageParameters
from care_bench.augmentations.differences import crop_difference, jitter_strengths
from care_bench.augmentations.transfer import to_device
from care_bench.config.methods.equivariant import AugSelfSettings
from care_bench.methods.base import Context, SiameseMethod, View
from care_bench.models import Encoder, projection_head


class AugSelf(SiameseMethod):
    """The base method's terms plus two regressions that keep information on crop and colour in the features.

    Each of two heads sees the backbone's features of both views, in one order and in the other, and predicts the
    difference of the views' parameters in the same order: through a tanh, under the squared error, mean over the four
    numbers, both orders and the batch. Targets and heads are those of the released code for crop and colour, its two
    terms by default. That code synchronises BatchNorm; here too the heads see the whole batch.

    Args:
        base: the wrapped method.
        crop_head: module (n, 2 features) -> (n, 4).
        colour_head: module of the same shape.
        jitter: strengths of the colour jitter that the views are drawn with.
        crop_weight: weight of the term `crop`.
        colour_weight: weight of the term `colour`.
    """

    Settings = AugSelfSettings

    def __init__(
        self,
        base: SiameseMethod,
        crop_head: nn.Module,
        colour_head: nn.Module,
        jitter: tuple[float, float, float, float],
        crop_weight: float,
        colour_weight: float,
    ) -> None:
        super().__init__()
        self.base = base
        self.crop_head = crop_head
        self.colour_head = colour_head
        self.jitter = jitter
        self.weights = {**base.weights, "crop": crop_weight, "colour": colour_weight}
        self.added = ("crop", "colour")

    @classmethod
    def from_settings(cls, settings: AugSelfSettings, context: Context) -> Self:
        """Build from settings."""
        base, augmentation = context.build(settings.base), context.augmentation
        assert isinstance(base, SiameseMethod)
        assert isinstance(augmentation, ImageAugmentation)
        with context.initial_weights(settings.name):
            features, hidden = 2 * context.encoder.feature_dimension, settings.predictor_hidden
            heads = projection_head(features, hidden, 4), projection_head(features, hidden, 4)
        return cls(base, *heads, augmentation.jitter, settings.crop_weight, settings.colour_weight)

    def terms(self, encoder: Encoder, features: Sequence[Tensor], views: Sequence[View]) -> dict[str, Tensor]:
        """Return the base method's terms, `crop` and `colour`."""
        first, second = (_parameters(view) for view in views)
        crop = torch.cat([crop_difference(first, second), crop_difference(second, first)])
        colour = jitter_strengths(first, self.jitter) - jitter_strengths(second, self.jitter)
        both_orders = torch.cat([torch.cat(list(pair), dim=1) for pair in (features, features[::-1])])
        return {
            **self.base.terms(encoder, features, views),
            "crop": _error(self.crop_head(both_orders), crop),
            "colour": _error(self.colour_head(both_orders), torch.cat([colour, -colour])),
        }

    @torch.no_grad()
    def after_step(self, encoder: Encoder, step: int, total: int) -> None:
        """Let the base method update its state."""
        self.base.after_step(encoder, step, total)


def _parameters(view: View) -> ImageParameters:
    assert isinstance(view.parameters, ImageParameters)
    return view.parameters


def _error(predicted: Tensor, target: Tensor) -> Tensor:
    return functional.mse_loss(predicted.float().tanh(), to_device(target, predicted.device))
