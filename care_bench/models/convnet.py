"""A small convolutional network for images of 8 to 32 pixels, trained in seconds on a CPU."""

from __future__ import annotations

from torch import Tensor, nn

from care_bench.config.backbones import ConvNetSettings


class ConvNet(nn.Module):
    """Three blocks of 3x3 convolution, BatchNorm and ReLU, the last two with stride 2, then global average pooling.

    Args:
        channels: channels of the images.
        width: channels of the first block; the second has twice, the third four times as many.

    Shape: (n, channels, H, W) -> (n, 4 width).
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.dimension = 4 * width
        self.layers = nn.Sequential(
            *_block(channels, width, stride=1),
            *_block(width, 2 * width, stride=2),
            *_block(2 * width, 4 * width, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of a batch of images."""
        features: Tensor = self.layers(images)
        return features


def build(settings: ConvNetSettings, channels: int) -> ConvNet:
    """Build the backbone from its settings for images with so many channels."""
    return ConvNet(channels, settings.width)


def _block(channels_in: int, channels_out: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(channels_out), nn.ReLU()]
