"""EquiMod (Devillers and Lefort 2023): the change of the embedding is predicted from the augmentation's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from care_bench.config.methods.equivariant import EquiModSettings
from care_bench.losses import EquiModLoss
from care_bench.methods.base import PLAIN, Context, Method, SiameseMethod, View
from care_bench.methods.parameter_vector import ParameterVector
from care_bench.models import Encoder, projection_head


class EquiMod(Method):
    """The base method's terms plus NT-Xent between predicted and actual embeddings of the augmented views.

    A projection head of its own, which ends in BatchNorm without affine parameters, gives the equivariant embedding.
    The predictor is one linear map and another such BatchNorm. Its inputs are the embedding of the plain view and the
    standardised parameters of the augmentation, which have gone through a linear map and BatchNorm. All three views go
    through the backbone and this head in one pass. This is what the released code does.

    The released code differs in its base method and backbone. The base method's head, predictor and momentum encoder
    take both augmented views in one pass, so that BatchNorm sees them together; SimCLR's head ends in BatchNorm without
    affine parameters; and the last BatchNorm of every residual block starts at 0. Here base method and backbone are
    those of every other variant.

    Args:
        base: the wrapped method.
        projector: module (n, features) -> (n, e) of the equivariant embedding, without its last BatchNorm.
        vector: standardises the parameters.
        loss: NT-Xent between predicted and actual embedding.
        dimension: dimension e of the equivariant embedding.
        weight: weight of the added term.
    """

    Settings = EquiModSettings

    def __init__(
        self,
        base: SiameseMethod,
        projector: nn.Module,
        vector: ParameterVector,
        loss: EquiModLoss,
        dimension: int,
        weight: float,
    ) -> None:
        super().__init__()
        self.base = base
        self.projector = nn.Sequential(projector, nn.BatchNorm1d(dimension, affine=False))
        self.vector = vector
        # No biases: the BatchNorm that follows would cancel them.
        self.parameter_head = nn.Sequential(
            nn.Linear(vector.dimension, dimension, bias=False), nn.BatchNorm1d(dimension)
        )
        self.predictor = nn.Sequential(
            nn.Linear(2 * dimension, dimension, bias=False), nn.BatchNorm1d(dimension, affine=False)
        )
        self.loss = loss
        self.weights = {**base.weights, "equimod": weight}
        self.added = ("equimod",)

    @classmethod
    def from_settings(cls, settings: EquiModSettings, context: Context) -> Self:
        """Build from settings."""
        base = context.build(settings.base)
        assert isinstance(base, SiameseMethod)
        output = settings.projector_output
        vector = ParameterVector(context.augmentation, torch.Generator().manual_seed(context.seed))
        with context.initial_weights(settings.name):
            projector = projection_head(
                context.encoder.feature_dimension, settings.projector_hidden, output, bias=False
            )
            return cls(base, projector, vector, EquiModLoss(settings.temperature), output, settings.weight)

    def draws(self, batch_size: int) -> tuple[int, ...]:
        """The plain view, and two with an augmentation per image."""
        return PLAIN, *self.base.draws(batch_size)

    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return the base method's terms and `equimod`, one NT-Xent over both augmented views, as in the release."""
        features = encoder.features_together([view.inputs for view in views])
        start, *actual = self.projector(torch.cat(features)).float().chunk(len(views))
        vectors = [self.vector(view.parameters) for view in views[1:] if view.parameters is not None]
        moves = self.parameter_head(torch.cat(vectors)).float()
        predicted = self.predictor(torch.cat([torch.cat([start] * len(vectors)), moves], dim=1)).float()
        equimod = self.loss(functional.normalize(predicted, dim=1), functional.normalize(torch.cat(actual), dim=1))
        return {**self.base.terms(encoder, features[1:], views[1:]), "equimod": equimod}

    @torch.no_grad()
    def after_step(self, encoder: Encoder, step: int, total: int) -> None:
        """Let the base method update its state."""
        self.base.after_step(encoder, step, total)
