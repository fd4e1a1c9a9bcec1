"""No training: the run keeps its initial weights, as reference rows need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from care_bench.config.methods.references import ReferenceSettings
from care_bench.methods.base import Context, Method, View
from care_bench.models import Encoder


class NoTraining(Method):
    """A method without loss terms: there is nothing to train, so a run takes no step."""

    Settings = ReferenceSettings

    def __init__(self) -> None:
        super().__init__()
        self.weights = {}

    @classmethod
    def from_settings(cls, settings: ReferenceSettings, context: Context) -> Self:
        """Build from settings."""
        return cls()

    def draws(self, batch_size: int) -> tuple[int, ...]:
        """No views."""
        return ()

    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return no terms."""
        return {}
