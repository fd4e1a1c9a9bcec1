"""MoCo-v2 (He et al. 2020, Chen et al. 2020): a query against its key and a queue of older keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from care_bench.config.methods.base_methods import MoCoV2Settings
from care_bench.losses import MoCoInfoNCE
from care_bench.methods.base import Context, Method, View
from care_bench.methods.momentum import MomentumEncoder
from care_bench.models import Encoder


class MoCoV2(Method):
    """InfoNCE of the first view's embedding against the second's by the momentum encoder, negatives from the queue.

    The momentum encoder moves and the queue takes the keys after the optimizer's step. The original moves it before
    the next step's keys are computed, which is the same.

    Where BatchNorm takes parts of a batch apart, per device or in groups (``split_batchnorm``), the samples of the
    second view are shuffled over the parts, so that a query and its key do not share batch statistics.

    Args:
        encoder: the encoder with its initial weights, to copy.
        queue: (K, d) unit rows to begin with.
        temperature: temperature of InfoNCE.
        momentum: share of the momentum encoder that a step keeps.
        symmetric: whether each view is query once and key once.
    """

    Settings = MoCoV2Settings
    shuffled = (1,)
    queue: Tensor
    position: Tensor

    def __init__(self, encoder: Encoder, queue: Tensor, temperature: float, momentum: float, symmetric: bool) -> None:
        super().__init__()
        self.momentum_encoder = MomentumEncoder(encoder)
        self.loss = MoCoInfoNCE(temperature)
        self.momentum = momentum
        self.symmetric = symmetric
        self.weights = {"info_nce": 1.0}
        self.register_buffer("queue", queue)
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))
        self._keys: list[Tensor] = []

    @classmethod
    def from_settings(cls, settings: MoCoV2Settings, context: Context) -> Self:
        """Build from settings, with a queue of random directions."""
        with context.initial_weights(settings.name):
            queue = functional.normalize(torch.randn(settings.queue, context.encoder.dimension), dim=1)
        return cls(context.encoder, queue, settings.temperature, settings.momentum, settings.symmetric)

    def draws(self, batch_size: int) -> tuple[int, ...]:
        """Query and key, each with an augmentation per image."""
        return batch_size, batch_size

    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return the term `info_nce`, in the symmetric form the sum of both directions."""
        first, second = views
        pairs = [(first, second), (second, first)] if self.symmetric else [(first, second)]
        self._keys = [key.in_batch_order(self.momentum_encoder.embed(key.inputs)) for _, key in pairs]
        queries = [query.in_batch_order(encoder.embed(query.inputs)) for query, _ in pairs]
        losses = [self.loss(query, key, self.queue) for query, key in zip(queries, self._keys, strict=True)]
        return {"info_nce": torch.stack(losses).sum()}

    @torch.no_grad()
    def after_step(self, encoder: Encoder, step: int, total: int) -> None:
        """Move the momentum encoder, and replace the oldest keys by the step's."""
        self.momentum_encoder.follow(encoder, self.momentum)
        keys = torch.cat(self._keys)
        places = (self.position + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[places] = keys
        self.position.copy_((self.position + len(keys)) % len(self.queue))
        self._keys = []
