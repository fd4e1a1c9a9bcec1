"""Uniformity alone, a member of the paper's loss ablation (Figure 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from care_bench.config.methods.ablation import UniformitySettings
from care_bench.losses import uniformity
from care_bench.methods.base import Context, Method, View
from care_bench.models import Encoder


class UniformityOnly(Method):
    """log E exp(f(a(x)) . f(a(x'))) on one view: embeddings spread out, nothing ties views together."""

    Settings = UniformitySettings

    def __init__(self) -> None:
        super().__init__()
        self.weights = {"uniformity": 1.0}

    @classmethod
    def from_settings(cls, settings: UniformitySettings, context: Context) -> Self:
        """Build from settings."""
        return cls()

    def draws(self, batch_size: int) -> tuple[int, ...]:
        """One view with an augmentation per image."""
        return (batch_size,)

    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return the term `uniformity`."""
        return {"uniformity": uniformity(encoder.embed(views[0].inputs))}
