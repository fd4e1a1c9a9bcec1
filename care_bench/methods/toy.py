"""A toy: the squared distance of two views' embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from care_bench.config.methods.ablation import ToySettings
from care_bench.methods.base import Context, SiameseMethod, View
from care_bench.models import Encoder


class Toy(SiameseMethod):
    """E ||f(a(x)) - f(a'(x))||^2."""

    Settings = ToySettings
    weights = {"distance": 1.0}  # noqa: RUF012

    @classmethod
    def from_settings(cls, settings: ToySettings, context: Context) -> Self:
        """Build from settings."""
        return cls()

    def terms(self, encoder: Encoder, features: Sequence[Tensor], views: Sequence[View]) -> dict[str, Tensor]:
        """Return the term `distance`."""
        first, second = (encoder.project(view) for view in features)
        return {"distance": (first - second).square().sum(dim=1).mean()}
