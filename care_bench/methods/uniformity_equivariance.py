"""Uniformity and equivariance without invariance, a member of the paper's loss ablation (Figure 10, claim C2)."""

from __future__ import annotations

from care_bench.config.methods.ablation import UniformityEquivarianceSettings
from care_bench.methods.care import Care


class UniformityEquivariance(Care):
    """CARE on uniformity alone: it keeps the encoder from collapsing, and equivariance alone shapes it."""

    Settings = UniformityEquivarianceSettings
