"""SimCLR (Chen et al. 2020): InfoNCE between two independent views of every image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

from torch import Tensor

from care_bench.config.methods import MethodSettings, SimCLRSettings
from care_bench.losses import info_nce_terms
from care_bench.methods.base import Method, View
from care_bench.models import Encoder


class SimCLR(Method):
    """InfoNCE as its two halves, so that each is logged and the attracting one can be weighted.

    With ``invariance_weight`` 1 the sum is InfoNCE (NT-Xent over 2B views). The paper writes its objective as
    invariance + uniformity + lambda equivariance; a smaller weight on the first is what its protein experiment needs.

    Args:
        temperature: temperature of InfoNCE.
        invariance_weight: weight of the attracting half -s+/temperature.
    """

    def __init__(self, temperature: float, invariance_weight: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature
        self.weights = {"attraction": invariance_weight, "repulsion": 1.0}

    @classmethod
    def from_settings(cls, settings: SimCLRSettings, build: Callable[[MethodSettings], Method]) -> Self:
        """Build from settings."""
        return cls(settings.temperature, settings.invariance_weight)

    def draws(self, batch_size: int) -> tuple[int, ...]:
        """Two views with an augmentation per image."""
        return batch_size, batch_size

    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return the terms `attraction` and `repulsion`."""
        first, second = (encoder.embed(view.inputs) for view in views)
        attraction, repulsion = info_nce_terms(first, second, self.temperature)
        return {"attraction": attraction, "repulsion": repulsion}
