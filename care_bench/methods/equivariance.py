"""Equivariance alone, a member of the paper's loss ablation (Figure 10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

from torch import Tensor

from care_bench.config.methods import EquivarianceSettings, MethodSettings, SharedDraw
from care_bench.losses import Equivariance
from care_bench.methods.base import Method, View
from care_bench.models import Encoder


class EquivarianceOnly(Method):
    """The equivariance term between two views whose augmentations are shared by a chunk (Algorithm 1).

    Args:
        loss: the term; its ``splits`` cut the batch into chunks.
        draws: independent augmentations per view: ``splits`` in the paper, 1 in the released code.
    """

    def __init__(self, loss: Equivariance, draws: int) -> None:
        super().__init__()
        self.loss = loss
        self.shared_draws = draws
        self.weights = {"equivariance": 1.0}

    @classmethod
    def from_settings(cls, settings: EquivarianceSettings, build: Callable[[MethodSettings], Method]) -> Self:
        """Build from settings."""
        return cls.shared(settings)

    @classmethod
    def shared(cls, settings: SharedDraw) -> Self:
        """Build from the part of the settings that every method with the term has."""
        draws = settings.splits if settings.sharing == "chunk" else 1
        return cls(Equivariance(settings.splits, settings.fidelity), draws)

    def draws(self, batch_size: int) -> tuple[int, ...]:
        """Two views, each with one augmentation per chunk or per batch."""
        return self.shared_draws, self.shared_draws

    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return the term `equivariance`."""
        first, second = (encoder.embed(view.inputs) for view in views)
        return {"equivariance": self.loss(first, second)}
