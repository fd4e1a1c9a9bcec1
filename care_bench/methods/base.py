"""What a method is: a plan of views, and named loss terms with their weights."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from care_bench.augmentations import Augmentation, Parameters
from care_bench.augmentations.transfer import to_device
from care_bench.config import MethodSettings
from care_bench.models import Encoder

PLAIN = 0
"""Number of draws of a view without augmentation."""


class View:
    """One copy of the batch, and the augmentation that made it.

    Args:
        inputs: (n, ...), ready for the encoder: this rank's shard of the batch.
        parameters: the draw of every sample of the whole batch; None for the plain view.
        order: for a shuffled view, the position in the batch of each row of the whole view; None: as in the batch.
    """

    # A plain class on purpose: lightning-fabric walks into tuples and dataclasses of a module's arguments to convert
    # their tensors, and refuses frozen ones.
    def __init__(self, inputs: Tensor, parameters: Parameters | None, order: Tensor | None = None) -> None:
        self.inputs = inputs
        self.parameters = parameters
        self.order = order

    def in_batch_order(self, rows: Tensor) -> Tensor:
        """Return the rows of the whole view, such as its embeddings, in the order of the batch."""
        return rows if self.order is None else rows[to_device(self.order.argsort(), rows.device)]


@dataclass(frozen=True)
class Context:
    """What a method is built for.

    Attributes:
        encoder: the encoder with its initial weights; the method does not own it.
        augmentation: what draws the views.
        seed: seed of all that the method initialises.
        build: makes a wrapped method from its settings.
    """

    encoder: Encoder
    augmentation: Augmentation[Any]
    seed: int
    build: Callable[[MethodSettings], Method]

    @contextmanager
    def initial_weights(self, owner: str) -> Iterator[None]:
        """Seed the global generator for the modules and tensors made in this context, and restore it.

        Args:
            owner: name of the method. A method starts from the same weights wrapped as alone, and from other ones than
                its wrapper.
        """
        digest = hashlib.sha256(f"{self.seed} {owner}".encode()).digest()
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed would reach the accelerators' generators as well.
            torch.default_generator.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
            yield


class Method(nn.Module, ABC):
    """A pretraining objective. It owns all it needs except the encoder, and returns unweighted terms."""

    Settings: ClassVar[type[MethodSettings]]
    """The class of the method's settings."""

    weights: Mapping[str, float]
    """Term -> weight; the loss is the weighted sum of the terms."""

    added: Collection[str] = ()
    """Terms that a wrapper adds to its base method; the gradient of these is compared with that of the others."""

    shuffled: Collection[int] = ()
    """Views whose samples are shuffled where BatchNorm sees parts of the batch (MoCo's shuffled BatchNorm)."""

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build from the method's settings class."""

    @abstractmethod
    def draws(self, batch_size: int) -> tuple[int, ...]:
        """Return, per view, how many independent augmentations the batch gets.

        ``batch_size`` means one per sample; k means one per chunk of batch_size / k consecutive samples; ``PLAIN``
        means none.
        """

    @abstractmethod
    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return the scalar loss terms, unweighted, keys as in ``weights``.

        Args:
            encoder: the encoder in training; every view is its own forward pass, with its own batch statistics,
                unless the method says otherwise.
            views: one for each entry of ``draws``, in that order.
        """

    @torch.no_grad()
    def after_step(self, encoder: Encoder, step: int, total: int) -> None:
        """Update state after the optimizer's step, such as a momentum encoder; does nothing by default.

        Args:
            encoder: the encoder with its new weights.
            step: steps done, from 1.
            total: steps of the run.
        """


class SiameseMethod(Method):
    """A method whose terms follow from the backbone's features of two views with an augmentation per image."""

    def draws(self, batch_size: int) -> tuple[int, ...]:
        """Two views with an augmentation per image."""
        return batch_size, batch_size

    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return the terms of the two views."""
        return self.terms(encoder, [encoder.features(view.inputs) for view in views], views)

    @abstractmethod
    def terms(self, encoder: Encoder, features: Sequence[Tensor], views: Sequence[View]) -> dict[str, Tensor]:
        """Return the scalar loss terms, unweighted.

        Args:
            encoder: the encoder in training.
            features: the two views' backbone features, (n, features) each.
            views: the two views.
        """
