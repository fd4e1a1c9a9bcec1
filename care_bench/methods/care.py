"""CARE: a base method plus the equivariance term (the paper's objective, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor

from care_bench.config import MethodSettings
from care_bench.config.methods.ablation import UniformityEquivarianceSettings
from care_bench.config.methods.equivariant import CareSettings
from care_bench.methods.base import Context, Method, View
from care_bench.methods.equivariance import EquivarianceOnly
from care_bench.models import Encoder


class Care(Method):
    """Base terms plus weight times equivariance; with two base views a step takes four encoder passes.

    Args:
        base: the wrapped method, which sees the whole batch with an augmentation per image.
        equivariance: the added term, on two views of its own.
        weight: the paper's lambda.
    """

    Settings: ClassVar[type[MethodSettings]] = CareSettings

    def __init__(self, base: Method, equivariance: EquivarianceOnly, weight: float) -> None:
        super().__init__()
        self.base = base
        self.equivariance = equivariance
        self.weights = {**base.weights, "equivariance": weight}
        self.added = ("equivariance",)
        views = len(base.draws(1))
        self.shuffled = (*base.shuffled, *(views + number for number in equivariance.shuffled))

    @classmethod
    def from_settings(cls, settings: CareSettings | UniformityEquivarianceSettings, context: Context) -> Self:
        """Build from settings."""
        return cls(context.build(settings.base), EquivarianceOnly.from_settings(settings, context), settings.weight)

    def draws(self, batch_size: int) -> tuple[int, ...]:
        """The base method's views, then the two of the equivariance term."""
        return self.base.draws(batch_size) + self.equivariance.draws(batch_size)

    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return the base method's terms and `equivariance`."""
        return {**self.base(encoder, views[:-2]), **self.equivariance(encoder, views[-2:])}

    @torch.no_grad()
    def after_step(self, encoder: Encoder, step: int, total: int) -> None:
        """Let the base method update its state."""
        self.base.after_step(encoder, step, total)
