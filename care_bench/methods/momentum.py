"""A momentum encoder: a copy of the encoder that follows it slowly (MoCo, BYOL)."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from care_bench.models import Encoder


class MomentumEncoder(nn.Module):
    """An encoder without gradients whose weights are an exponential moving average of another's.

    Only weights are averaged: its BatchNorm layers see its own inputs and keep their own statistics, as in MoCo and
    BYOL.

    Args:
        encoder: the encoder to copy and to follow.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)

    @torch.no_grad()
    def head(self, inputs: Tensor) -> Tensor:
        """Return the projection head's output (n, d), not normalised."""
        return self.encoder.head(self.encoder.features(inputs))

    @torch.no_grad()
    def embed(self, inputs: Tensor) -> Tensor:
        """Return the embedding, rows of unit length (n, d)."""
        return self.encoder.embed(inputs)

    @torch.no_grad()
    def follow(self, encoder: Encoder, momentum: float) -> None:
        """Set every weight to momentum times itself plus (1 - momentum) times the encoder's."""
        average = get_ema_multi_avg_fn(momentum)  # type: ignore[no-untyped-call]
        average(list(self.encoder.parameters()), list(encoder.parameters()), 1)


def cosine_momentum(base: float, step: int, total: int) -> float:
    """Return 1 - (1 - base) (cos(pi step / total) + 1) / 2: ``base`` at step 0, rising to 1 at ``total`` (BYOL)."""
    return 1 - (1 - base) * (math.cos(math.pi * step / total) + 1) / 2
