"""A backbone: an MLP on the means of a grid of image patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from care_bench.config import BackboneSettings

if TYPE_CHECKING:
    from torch import nn


class PooledMLPSettings(BackboneSettings):
    """Keys of the backbone in a profile, and where its network is."""

    implementation = "care_bench_example.pooled_mlp:build"
    name: Literal["pooled_mlp"]
    grid: PositiveInt = 4
    """Patches along each side of the image."""
    width: PositiveInt = 64
    """Width of the hidden layer and of the features."""


def build(settings: PooledMLPSettings, channels: int) -> nn.Module:
    """Build the network: (n, channels, H, W) -> (n, dimension)."""
    from torch import nn  # imported here, since checking a profile must not import torch

    network = nn.Sequential(
        nn.AdaptiveAvgPool2d(settings.grid),
        nn.Flatten(),
        nn.Linear(channels * settings.grid**2, settings.width),
        nn.ReLU(),
        nn.Linear(settings.width, settings.width),
    )
    network.dimension = settings.width
    return network
