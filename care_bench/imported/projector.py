"""Rebuild the projection head of a checkpoint from the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

HEADS = ("projection_head", "projector", "projection", "proj", "fc", "g", "head", "mlp")
"""Names of projection heads: lightly's, solo-learn's and Barlow Twins', others', MoCo's, CARE's and SimCLR's."""
BATCHNORM = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def find_projector(tensors: Mapping[str, Tensor], prefix: str, dimension: int) -> tuple[str, nn.Sequential] | str:
    """Find the projection head beside or inside the part of a checkpoint that holds an encoder.

    Args:
        tensors: of the checkpoint.
        prefix: of the encoder's.
        dimension: of its pooled features.

    Returns:
        What the head's names begin with, and the head with its weights: linear layers and BatchNorm in their order, and
        a ReLU wherever a place of the sequence has no tensors, as SimCLR, MoCo, BYOL, Barlow Twins and VICReg have it.
        Or the reason why there is none.
    """
    parent = prefix.rstrip(".").rpartition(".")[0]
    places = [prefix, f"{parent}." if parent else ""]
    tried = []
    for head in (f"{place}{name}." for place in places for name in HEADS):
        for start in (head, f"{head}layers.", f"{head}0."):
            parts = _parts(tensors, start)
            if not parts:
                continue
            built = _build(parts, dimension)
            if isinstance(built, nn.Sequential):
                return start, built
            tried.append(f"{start}: {built}")
    return tried[0] if tried else f"the checkpoint has no projection head ({', '.join(HEADS)}) beside the encoder"


def _parts(tensors: Mapping[str, Tensor], start: str) -> dict[int, dict[str, Tensor]]:
    """Return place in the sequence -> its tensors, of names such as `start0.weight`."""
    found: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(start) and (named := re.fullmatch(r"(\d+)\.(\w+)", key.removeprefix(start))):
            found.setdefault(int(named[1]), {})[named[2]] = tensor
    return dict(sorted(found.items()))


def _build(parts: Mapping[int, Mapping[str, Tensor]], dimension: int) -> nn.Sequential | str:
    layers: list[nn.Module] = []
    width, before = dimension, -1
    for place, tensors in parts.items():
        if layers and place > before + 1:
            layers.append(nn.ReLU())
        before = place
        weight = tensors.get("weight")
        if weight is not None and weight.ndim == 2 and set(tensors) <= {"weight", "bias"}:
            if weight.shape[1] != width:
                return f"its layer {place} takes {weight.shape[1]} features, expected {width}"
            width = len(weight)
            layers.append(_filled(nn.Linear(weight.shape[1], width, bias="bias" in tensors), tensors))
        elif {"running_mean", "running_var"} <= set(tensors) <= BATCHNORM:
            if len(tensors["running_mean"]) != width:
                return f"its layer {place} normalises {len(tensors['running_mean'])} features, expected {width}"
            layers.append(_filled(nn.BatchNorm1d(width, affine=weight is not None), tensors))
        else:
            return f"its layer {place} ({', '.join(sorted(tensors))}) is neither linear nor BatchNorm"
    if not any(isinstance(layer, nn.Linear) for layer in layers):
        return "it has no linear layer"
    return nn.Sequential(*layers).float().eval()


def _filled(layer: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    layer.load_state_dict(dict(tensors), strict=False)  # a counter of batches may be missing
    return layer
