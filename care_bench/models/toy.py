"""A toy: one linear map of the pixels, averaged over a grid."""

from __future__ import annotations

from torch import nn

from care_bench.config.backbones import ToyBackboneSettings


def build(settings: ToyBackboneSettings, channels: int) -> nn.Module:
    """Build the backbone: (n, channels, H, W) -> (n, width)."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, settings.width))
    network.dimension = settings.width  # type: ignore[assignment]
    return network
