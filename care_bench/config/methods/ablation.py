"""Entries of the loss ablation (Figure 10 of the paper): single terms, and uniformity with equivariance."""

from __future__ import annotations

from typing import Literal

from care_bench.config.methods.base import MethodSettings, Weight, method
from care_bench.config.methods.equivariant import EquivarianceTerm


@method
class InvarianceSettings(MethodSettings):
    """Alignment of two views alone (loss ablation)."""

    implementation = "care_bench.methods.invariance:InvarianceOnly"
    label = "invariance only"
    siamese = True
    name: Literal["invariance"]


@method
class UniformitySettings(MethodSettings):
    """Uniformity alone (loss ablation)."""

    implementation = "care_bench.methods.uniformity:UniformityOnly"
    label = "uniformity only"
    name: Literal["uniformity"]


@method
class EquivarianceSettings(EquivarianceTerm):
    """The equivariance term alone (loss ablation); it has trivial minima, which is the point of the ablation."""

    implementation = "care_bench.methods.equivariance:EquivarianceOnly"
    label = "equivariance only"
    name: Literal["equivariance"]


@method
class UniformityEquivarianceSettings(EquivarianceTerm):
    """Uniformity plus weight times equivariance, without invariance (loss ablation)."""

    implementation = "care_bench.methods.uniformity_equivariance:UniformityEquivariance"
    label = "uniformity + equivariance"
    name: Literal["uniformity_equivariance"]
    weight: Weight
    """Weight of the equivariance term."""

    @property
    def base(self) -> MethodSettings:
        """What the equivariance term is added to; not a choice here."""
        return UniformitySettings(name="uniformity")
