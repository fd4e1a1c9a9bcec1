"""Equivariance alone, a member of the paper's loss ablation (Figure 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn
from torch.nn import functional

from care_bench.config.methods.ablation import EquivarianceSettings
from care_bench.config.methods.equivariant import EquivarianceTerm
from care_bench.losses import Equivariance, WahbaLoss
from care_bench.methods.base import Context, Method, View
from care_bench.models import Encoder
from care_bench.names import Representation


class EquivarianceOnly(Method):
    """The equivariance term between two views whose augmentations are shared by a chunk (Algorithm 1).

    Where BatchNorm sees parts of a batch, the samples of both views are shuffled over the parts: the statistics of a
    part that holds one chunk alone would take part of its augmentation away. The released code has SyncBN instead.

    Args:
        loss: module (first, second) -> scalar on unit rows; it cuts the batch into chunks.
        draws: independent augmentations per view: ``splits`` in the paper, 1 in the released code.
        representation: which unit vectors the term acts on: the projection head's output, or the backbone's features.
    """

    Settings = EquivarianceSettings

    def __init__(self, loss: nn.Module, draws: int, representation: Representation = "projection") -> None:
        super().__init__()
        self.loss = loss
        self.shared_draws = draws
        self.representation = representation
        self.weights = {"equivariance": 1.0}
        self.shuffled = (0, 1) if draws > 1 else ()

    @classmethod
    def from_settings(cls, settings: EquivarianceTerm, context: Context) -> Self:
        """Build from the settings of any method with the term."""
        draws = settings.splits if settings.sharing == "chunk" else 1
        gram = settings.loss == "gram"
        loss = Equivariance(settings.splits, settings.fidelity) if gram else WahbaLoss(settings.splits)
        return cls(loss, draws, settings.representation)

    def draws(self, batch_size: int) -> tuple[int, ...]:
        """Two views, each with one augmentation per chunk or per batch."""
        return self.shared_draws, self.shared_draws

    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return the term `equivariance`."""
        first, second = (self._directions(encoder, view) for view in views)
        return {"equivariance": self.loss(first, second)}

    def _directions(self, encoder: Encoder, view: View) -> Tensor:
        features = encoder.features(view.inputs)
        directions = (
            encoder.project(features)
            if self.representation == "projection"
            else functional.normalize(features.float(), dim=1)
        )
        return view.in_batch_order(directions)
