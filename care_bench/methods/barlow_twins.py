"""Barlow Twins (Zbontar et al. 2021): the cross-correlation of two views is driven towards the identity matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from care_bench.config.methods.base_methods import BarlowTwinsSettings
from care_bench.losses import barlow_twins_terms
from care_bench.methods.base import Context, SiameseMethod, View
from care_bench.models import Encoder


class BarlowTwins(SiameseMethod):
    """Invariance and redundancy reduction of the projection head's output, which is not normalised.

    Args:
        off_diagonal_weight: weight of redundancy reduction.
    """

    Settings = BarlowTwinsSettings

    def __init__(self, off_diagonal_weight: float) -> None:
        super().__init__()
        self.weights = {"on_diagonal": 1.0, "off_diagonal": off_diagonal_weight}

    @classmethod
    def from_settings(cls, settings: BarlowTwinsSettings, context: Context) -> Self:
        """Build from settings."""
        return cls(settings.off_diagonal_weight)

    def terms(self, encoder: Encoder, features: Sequence[Tensor], views: Sequence[View]) -> dict[str, Tensor]:
        """Return the terms `on_diagonal` and `off_diagonal`."""
        first, second = (encoder.head(view) for view in features)
        on_diagonal, off_diagonal = barlow_twins_terms(first, second)
        return {"on_diagonal": on_diagonal, "off_diagonal": off_diagonal}
