"""What a method is: a plan of views, and named loss terms with their weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from torch import Tensor, nn

from care_bench.augmentations import Parameters
from care_bench.config.methods import MethodSettings
from care_bench.models import Encoder


class View:
    """One augmented copy of the batch, and the augmentation that made it.

    Args:
        inputs: (n, ...), ready for the encoder.
        parameters: the draw of every sample, length n.
    """

    # A plain class on purpose: lightning-fabric walks into tuples and dataclasses of a module's arguments to convert
    # their tensors, and refuses frozen ones.
    def __init__(self, inputs: Tensor, parameters: Parameters) -> None:
        self.inputs = inputs
        self.parameters = parameters


class Method(nn.Module, ABC):
    """A pretraining objective. It owns whatever it needs beside the encoder, and returns unweighted terms."""

    weights: Mapping[str, float]
    """Term -> weight; the loss is the weighted sum of the terms."""

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Any, build: Callable[[MethodSettings], Method]) -> Self:
        """Build from the method's settings class; ``build`` makes a wrapped method from its settings."""

    @abstractmethod
    def draws(self, batch_size: int) -> tuple[int, ...]:
        """Return, per view, how many independent augmentations the batch gets.

        ``batch_size`` means one per sample; k means one per chunk of batch_size / k consecutive samples.
        """

    @abstractmethod
    def forward(self, encoder: Encoder, views: Sequence[View]) -> dict[str, Tensor]:
        """Return the scalar loss terms, unweighted, keys as in ``weights``.

        Args:
            encoder: the encoder in training; every view is its own forward pass, with its own batch statistics.
            views: as many as ``draws`` has entries, in that order.
        """
