"""Backbones, projection heads, and the encoder that joins them."""

from care_bench.models.convnet import ConvNet
from care_bench.models.deepset import DeepSet
from care_bench.models.encoder import Encoder, build_encoder
from care_bench.models.heads import projection_head
from care_bench.models.resnet import resnet

__all__ = ["ConvNet", "DeepSet", "Encoder", "build_encoder", "projection_head", "resnet"]
