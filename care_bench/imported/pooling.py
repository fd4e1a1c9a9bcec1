"""From the output of a layer to one row per input, with the way in words."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from care_bench.errors import CareBenchError

CHANNELS_FIRST = (nn.Conv1d, nn.BatchNorm1d, nn.InstanceNorm1d, nn.AdaptiveAvgPool1d, nn.AvgPool1d, nn.MaxPool1d)
"""Layers whose outputs (n, c, t) have their channels first, whatever they stand for."""


def pooled_rows(output: Any, part: nn.Module, n: int, points: int | None, token: bool, what: str) -> tuple[Tensor, str]:
    """Return the rows of a layer's output, and how they were made.

    The rows share no memory with the output, which later layers may change in place.

    Args:
        output: of the layer.
        part: the layer.
        n: number of inputs.
        points: of an input that is a point cloud; None for images.
        token: whether the first token is the class token.
        what: begins the errors.

    Returns:
        Rows (n, d), and words.

    Raises:
        CareBenchError: no tensor of n entries, or a shape whose channels cannot be told apart.
    """
    found = checked(output, n, what)
    shape = tuple(found.shape)
    if found.ndim == 2:
        return found.clone(), "as it is"
    if found.ndim == 4:
        last = _channels_last(shape, part)
        if last is None:
            raise CareBenchError(f"{what} a tensor {shape}; which side are its channels? expected a square map")
        return found.mean(dim=(1, 2) if last else (2, 3)), "mean over the map"
    if found.ndim != 3:
        raise CareBenchError(f"{what} a tensor {shape}; expected rows (n, d), a map (n, c, h, w) or tokens (n, t, d)")
    if isinstance(part, CHANNELS_FIRST):
        return found.mean(dim=2), "mean over places"
    if points is not None:
        if (shape[1] == points) == (shape[2] == points):
            raise CareBenchError(
                f"{what} a tensor {shape}; which side are its points? expected one side of {points} points, or name a "
                "layer that pools them"
            )
        return found.mean(dim=1 if shape[1] == points else 2), "mean over points"
    if token:
        return found[:, 0].clone(), "class token"
    return found.mean(dim=1), "mean over tokens"


def checked(output: Any, n: int, what: str) -> Tensor:
    """Return an output that is a float32 tensor of n entries.

    Raises:
        CareBenchError: it is something else.
    """
    if not isinstance(output, Tensor):
        kind = "nothing" if output is None else f"a {type(output).__name__}"
        raise CareBenchError(f"{what} {kind}; expected a tensor of one row per input")
    shape = tuple(output.shape)
    if 0 in shape[1:]:
        raise CareBenchError(f"{what} a tensor {shape}; expected at least one number per input")
    if not shape or shape[0] != n:
        raise CareBenchError(f"{what} a tensor {shape} for {n} inputs; expected {n} rows")
    if output.dtype != torch.float32:
        raise CareBenchError(f"{what} {str(output.dtype).removeprefix('torch.')}; expected float32")
    return output


def _channels_last(shape: tuple[int, ...], part: nn.Module) -> bool | None:
    """Whether a map has its channels last, as those of Swin transformers have; None where nothing tells.

    Views are square, so the two sides that are equal are those of the map.
    """
    _, first, second, third = shape
    if isinstance(part, nn.Conv2d | nn.BatchNorm2d):
        return False
    if first == second == third:
        return None
    if second == third:
        return False
    return True if first == second else None
