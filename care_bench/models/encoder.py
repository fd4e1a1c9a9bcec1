"""The encoder: a backbone, a projection head, and the unit sphere."""

from __future__ import annotations

from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from care_bench.config.run import ConvNetConfig, DeepSetConfig, EncoderConfig, ResNetConfig
from care_bench.models.convnet import ConvNet
from care_bench.models.deepset import DeepSet
from care_bench.models.heads import projection_head
from care_bench.models.resnet import resnet


class Encoder(nn.Module):
    """The paper's f: inputs -> unit sphere of R^d, with the backbone's features beside it.

    Args:
        backbone: module inputs -> (n, features).
        projector: module (n, features) -> (n, d).
    """

    def __init__(self, backbone: nn.Module, projector: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector = projector

    def features(self, inputs: Tensor) -> Tensor:
        """Return the backbone's features (n, features), on which linear probes are trained."""
        features: Tensor = self.backbone(inputs)
        return features

    def project(self, features: Tensor) -> Tensor:
        """Return the embedding (n, d) of given features: projected and scaled to unit length, in float32."""
        projected: Tensor = self.projector(features)
        return functional.normalize(projected.float(), dim=1)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return f(x), rows of unit length (n, d)."""
        return self.project(self.features(inputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``embed(inputs)``."""
        return self.embed(inputs)


def build_encoder(config: EncoderConfig, channels: int, seed: int) -> Encoder:
    """Build an encoder whose initial weights depend on nothing but ``seed``.

    Args:
        config: backbone and projection head.
        channels: channels of the images; not used for point clouds.
        seed: seed of the initial weights; the global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone, dimension = _build_backbone(config.backbone, channels)
        return Encoder(backbone, projection_head(dimension, config.projector.hidden, config.projector.output))


def _build_backbone(config: ConvNetConfig | ResNetConfig | DeepSetConfig, channels: int) -> tuple[nn.Module, int]:
    match config:
        case ConvNetConfig():
            convnet = ConvNet(channels, config.width)
            return convnet, convnet.dimension
        case ResNetConfig():
            return resnet(config.name, config.stem, channels)
        case DeepSetConfig():
            deepset = DeepSet(config.width)
            return deepset, deepset.dimension
    assert_never(config)
