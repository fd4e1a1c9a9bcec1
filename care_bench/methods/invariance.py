"""Invariance alone, a member of the paper's loss ablation (Figure 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from care_bench.config.methods.ablation import InvarianceSettings
from care_bench.losses import alignment
from care_bench.methods.base import Context, SiameseMethod, View
from care_bench.models import Encoder


class InvarianceOnly(SiameseMethod):
    """E ||f(a(x)) - f(a'(x))||: nothing keeps it from collapsing, which the ablation shows."""

    Settings = InvarianceSettings

    def __init__(self) -> None:
        super().__init__()
        self.weights = {"invariance": 1.0}

    @classmethod
    def from_settings(cls, settings: InvarianceSettings, context: Context) -> Self:
        """Build from settings."""
        return cls()

    def terms(self, encoder: Encoder, features: Sequence[Tensor], views: Sequence[View]) -> dict[str, Tensor]:
        """Return the term `invariance`."""
        first, second = (encoder.project(view) for view in features)
        return {"invariance": alignment(first, second)}
