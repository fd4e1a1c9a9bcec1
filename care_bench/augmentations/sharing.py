"""One draw for many samples: what CARE's equivariance term (Algorithm 1) and Wahba's problem need."""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch
from torch import Tensor

from care_bench.augmentations.parameters import Parameters

P = TypeVar("P", bound=Parameters)


class Augmentation(Protocol[P]):
    """The interface of every augmentation."""

    def sample(self, n: int, generator: torch.Generator, /) -> P:
        """Draw n independent parameters from a CPU generator."""

    def apply(self, inputs: Tensor, parameters: P, /) -> Tensor:
        """Apply row i of the parameters to input i: pure, batched, on the device of the inputs."""

    def identity(self, inputs: Tensor, /) -> Tensor:
        """Return the inputs without augmentation, as an encoder takes them."""


def draw(augmentation: Augmentation[P], n: int, draws: int, generator: torch.Generator) -> P:
    """Draw parameters for n samples, one draw per chunk of consecutive samples.

    ``draws = n`` gives every sample its own (InfoNCE), ``draws = splits`` gives every chunk its own (CARE as in the
    paper), ``draws = 1`` uses one for all (Wahba's problem; CARE as in the released code).

    Args:
        augmentation: the distribution to draw from.
        n: number of samples.
        draws: number of independent draws; divides n.
        generator: CPU generator.

    Returns:
        n parameters: each of the ``draws`` repeated n // draws times.

    Raises:
        ValueError: ``draws`` is not positive or does not divide n.
    """
    if draws < 1 or n < 1 or n % draws:
        raise ValueError(f"draws is {draws} for n = {n} samples, expected a positive divisor of n")
    return augmentation.sample(draws, generator).repeat_interleave(n // draws)
