"""Backbones, projection heads, and the encoder that joins them."""

from care_bench.models.batchnorm import group_batchnorm
from care_bench.models.encoder import Encoder, FeatureExtractor, build_encoder
from care_bench.models.heads import projection_head

__all__ = ["Encoder", "FeatureExtractor", "build_encoder", "group_batchnorm", "projection_head"]
