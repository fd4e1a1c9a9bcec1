"""torchvision's ResNets as backbones, with the stem for small images or the usual one."""

from __future__ import annotations

from torch import nn

from care_bench.config.backbones import ResNetSettings


def build(settings: ResNetSettings, channels: int) -> nn.Module:
    """Build a ResNet without its classifier.

    Args:
        settings: which ResNet, and its stem: `small-image` replaces the 7x7 stride-2 convolution by 3x3 stride 1 and
            drops the max-pool, as the paper does at 32 px (after SimCLR, appendix B.9); `imagenet` is torchvision's.
        channels: channels of the images.

    Returns:
        A module (n, channels, H, W) -> (n, dimension) with its attribute ``dimension``: 512 or 2048.
    """
    # Importing torchvision's models takes over a second, and only ResNets need them.
    from torchvision import models

    network: nn.Module = {"resnet18": models.resnet18, "resnet50": models.resnet50}[settings.name](weights=None)
    if settings.stem == "small-image":
        network.conv1 = nn.Conv2d(channels, 64, 3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    classifier = network.fc
    assert isinstance(classifier, nn.Linear)
    network.fc = nn.Identity()
    network.dimension = classifier.in_features  # type: ignore[assignment]
    return network
