"""Parameter prediction: the difference of two views' augmentation parameters is predicted from their features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from care_bench.config.methods.equivariant import ParameterPredictionSettings
from care_bench.methods.base import Context, SiameseMethod, View
from care_bench.methods.parameter_vector import ParameterVector
from care_bench.models import Encoder, projection_head


class ParameterPrediction(SiameseMethod):
    """The base method's terms plus a regression that keeps information on the augmentations in the features.

    The predictor sees the backbone's features of both views and regresses the difference of their standardised
    parameter vectors; the term is the squared error, mean over the numbers and the batch. Unlike AugSelf it takes every
    number of the vector alike, rotations of point clouds among them.

    Args:
        base: the wrapped method.
        vector: standardises the parameters.
        predictor: module (n, 2 features) -> (n, parameters).
        weight: weight of the added term.
    """

    Settings = ParameterPredictionSettings

    def __init__(self, base: SiameseMethod, vector: ParameterVector, predictor: nn.Module, weight: float) -> None:
        super().__init__()
        self.base = base
        self.vector = vector
        self.predictor = predictor
        self.weights = {**base.weights, "parameter_prediction": weight}
        self.added = ("parameter_prediction",)

    @classmethod
    def from_settings(cls, settings: ParameterPredictionSettings, context: Context) -> Self:
        """Build from settings."""
        base = context.build(settings.base)
        assert isinstance(base, SiameseMethod)
        vector = ParameterVector(context.augmentation, torch.Generator().manual_seed(context.seed))
        with context.initial_weights(settings.name):
            features = 2 * context.encoder.feature_dimension
            predictor = projection_head(features, settings.predictor_hidden, vector.dimension)
        return cls(base, vector, predictor, settings.weight)

    def terms(self, encoder: Encoder, features: Sequence[Tensor], views: Sequence[View]) -> dict[str, Tensor]:
        """Return the base method's terms and `parameter_prediction`."""
        first, second = (self._vector(view) for view in views)
        predicted = self.predictor(torch.cat(list(features), dim=1)).float()
        error = functional.mse_loss(predicted, first - second)
        return {**self.base.terms(encoder, features, views), "parameter_prediction": error}

    def _vector(self, view: View) -> Tensor:
        assert view.parameters is not None
        vector: Tensor = self.vector(view.parameters)
        return vector

    @torch.no_grad()
    def after_step(self, encoder: Encoder, step: int, total: int) -> None:
        """Let the base method update its state."""
        self.base.after_step(encoder, step, total)
