"""ResNets for small images, for checkpoints of SimCLR's and CARE's small implementations.

Use them as `care_bench.imported.small_images:resnet50`.
"""

from __future__ import annotations

from torch import nn

from care_bench.config.backbones import ResNetSettings
from care_bench.models.resnet import build


def resnet18() -> nn.Module:
    """Return ResNet-18 with a 3x3 stem and without max-pool: (n, 3, H, W) -> (n, 512)."""
    return build(ResNetSettings(name="resnet18", stem="small-image"), 3)


def resnet50() -> nn.Module:
    """Return ResNet-50 with a 3x3 stem and without max-pool: (n, 3, H, W) -> (n, 2048)."""
    return build(ResNetSettings(name="resnet50", stem="small-image"), 3)
