"""Projection heads."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def projection_head(
    dimension: int, hidden: Sequence[int], output: int, bias: bool = True, batchnorm: bool = True
) -> nn.Sequential:
    """Build an MLP head: Linear, BatchNorm, ReLU for each hidden width, then Linear.

    The paper's head at 32 px is 2048-512-128 with BatchNorm and ReLU, ``projection_head(2048, [512], 128)``; on
    ImageNet100 it is MoCo-v2's, ``projection_head(2048, [2048], 128, batchnorm=False)``.

    Args:
        dimension: dimension of the features.
        hidden: widths of the hidden layers; may be empty.
        output: dimension of the embedding.
        bias: whether the last layer has a bias, which a BatchNorm after it would cancel.
        batchnorm: whether the hidden layers have BatchNorm instead of biases.
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers.append(nn.Linear(dimension, width, bias=not batchnorm))
        layers += [nn.BatchNorm1d(width), nn.ReLU()] if batchnorm else [nn.ReLU()]
        dimension = width
    return nn.Sequential(*layers, nn.Linear(dimension, output, bias=bias))
