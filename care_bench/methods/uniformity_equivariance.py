"""Uniformity and equivariance without invariance, a member of the paper's loss ablation (Figure 10, claim C2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from care_bench.config.methods import MethodSettings, UniformityEquivarianceSettings
from care_bench.methods.base import Method
from care_bench.methods.care import Care
from care_bench.methods.equivariance import EquivarianceOnly
from care_bench.methods.uniformity import UniformityOnly


class UniformityEquivariance(Care):
    """CARE without a base's invariance: uniformity keeps it from collapsing, equivariance alone shapes it."""

    @classmethod
    def from_settings(cls, settings: UniformityEquivarianceSettings, build: Callable[[MethodSettings], Method]) -> Self:
        """Build from settings."""
        return cls(UniformityOnly(), EquivarianceOnly.shared(settings), settings.weight)
