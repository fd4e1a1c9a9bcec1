"""Invariance alone, a member of the paper's loss ablation (Figure 10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

from torch import Tensor

from care_bench.config.methods import InvarianceSettings, MethodSettings
from care_bench.losses import alignment
from care_bench.methods.base import Method, View
from care_bench.models import Encoder


class InvarianceOnly(Method):
    """E ||f(a(x)) - f(a'(x))||: nothing keeps it from collapsing, which the ablation shows."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = {"alignment": 1.0}

    @classmethod
    def from_settings(cls, settings: InvarianceSettings, build: Callable[[MethodSettings], Method]) -> Self:
        """Build from settings."""
        return cls()

    def draws(self, batch_size: int) -> tuple[int, ...]:
        """Two views with an augmentation per image."""
        return batch_size, batch_size

    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return the term `alignment`."""
        first, second = (encoder.embed(view.inputs) for view in views)
        return {"alignment": alignment(first, second)}
