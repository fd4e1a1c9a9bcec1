"""SimCLR (Chen et al. 2020): InfoNCE between two independent views of every image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from care_bench.config.methods.base_methods import SimCLRSettings
from care_bench.losses import info_nce_terms
from care_bench.methods.base import Context, SiameseMethod, View
from care_bench.models import Encoder


class SimCLR(SiameseMethod):
    """InfoNCE as its two terms, so that each is logged and the invariance term can be weighted.

    With ``invariance_weight`` 1 the sum is InfoNCE (NT-Xent over 2B views). The paper writes its objective as
    invariance + uniformity + lambda equivariance; a smaller weight on the first is what its protein experiment needs.

    Args:
        temperature: temperature of InfoNCE.
        invariance_weight: weight of the invariance term -s+/temperature.
        negatives_per: inputs whose views are each other's negatives, consecutive ones of the batch; None: all of it.
    """

    Settings = SimCLRSettings

    def __init__(self, temperature: float, invariance_weight: float = 1.0, negatives_per: int | None = None) -> None:
        super().__init__()
        self.temperature = temperature
        self.negatives_per = negatives_per
        self.weights = {"invariance": invariance_weight, "uniformity": 1.0}

    @classmethod
    def from_settings(cls, settings: SimCLRSettings, context: Context) -> Self:
        """Build from settings."""
        return cls(settings.temperature, settings.invariance_weight, settings.negatives_per)

    def terms(self, encoder: Encoder, features: Sequence[Tensor], views: Sequence[View]) -> dict[str, Tensor]:
        """Return the terms `invariance` and `uniformity`."""
        first, second = (encoder.project(view) for view in features)
        groups = 1 if self.negatives_per is None else len(first) // self.negatives_per
        invariance, uniformity = info_nce_terms(first, second, self.temperature, groups)
        return {"invariance": invariance, "uniformity": uniformity}
