"""Projection heads."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def projection_head(dimension: int, hidden: Sequence[int], output: int, bias: bool = True) -> nn.Sequential:
    """Build an MLP head: Linear, BatchNorm, ReLU for each hidden width, then Linear.

    The paper's head is 2048-512-128 with BatchNorm and ReLU: ``projection_head(2048, [512], 128)``.

    Args:
        dimension: dimension of the features.
        hidden: widths of the hidden layers; may be empty.
        output: dimension of the embedding.
        bias: whether the last layer has one; where BatchNorm follows it would be taken away.
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(dimension, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        dimension = width
    return nn.Sequential(*layers, nn.Linear(dimension, output, bias=bias))
