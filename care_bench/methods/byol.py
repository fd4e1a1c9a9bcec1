"""BYOL (Grill et al. 2020): a predictor on one view predicts the other view's projection by a momentum encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from care_bench.config.methods.base_methods import BYOLSettings
from care_bench.losses import ByolLoss
from care_bench.methods.base import Context, SiameseMethod, View
from care_bench.methods.momentum import MomentumEncoder, cosine_momentum
from care_bench.models import Encoder, projection_head


class BYOL(SiameseMethod):
    """2 - 2 cos(prediction, target) in both directions; the momentum rises to 1 on a cosine.

    Args:
        encoder: the encoder with its initial weights, to copy.
        predictor: module (n, d) -> (n, d).
        momentum: share of the momentum encoder that the first step keeps.
    """

    Settings = BYOLSettings

    def __init__(self, encoder: Encoder, predictor: nn.Module, momentum: float) -> None:
        super().__init__()
        self.momentum_encoder = MomentumEncoder(encoder)
        self.predictor = predictor
        self.loss = ByolLoss()
        self.momentum = momentum
        self.weights = {"byol": 1.0}

    @classmethod
    def from_settings(cls, settings: BYOLSettings, context: Context) -> Self:
        """Build from settings."""
        d = context.encoder.dimension
        with context.initial_weights(settings.name):
            predictor = projection_head(d, [settings.predictor_hidden], d)
        return cls(context.encoder, predictor, settings.momentum)

    def terms(self, encoder: Encoder, features: Sequence[Tensor], views: Sequence[View]) -> dict[str, Tensor]:
        """Return the term `byol`, the sum of both directions."""
        predicted = [self.predictor(encoder.head(view)).float() for view in features]
        targets = [self.momentum_encoder.head(view.inputs) for view in views]
        return {"byol": self.loss(predicted[0], targets[1]) + self.loss(predicted[1], targets[0])}

    @torch.no_grad()
    def after_step(self, encoder: Encoder, step: int, total: int) -> None:
        """Move the momentum encoder."""
        self.momentum_encoder.follow(encoder, cosine_momentum(self.momentum, step - 1, total))
