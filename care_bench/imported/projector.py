"""Rebuild the projection head of a checkpoint from the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from torch import Tensor, nn

HEADS = ("projection_head", "projector", "projection", "projetion", "proj", "fc", "g", "head", "mlp")
"""Names of projection heads: lightly's, solo-learn's and Barlow Twins', BYOL's (one release spells it so), others',
MoCo's, CARE's release, DINO's and others'."""
INSIDE = ("", "layers.", "net.", "mlp.", "0.")
"""Where the sequence of layers is in a head."""
PROTOTYPES = "last_layer."
"""What stands beside the layers of DINO's heads, whose hidden layers have GELU."""
CLASSIFIERS = ("fc", "head")
"""Names that are a classifier's in a checkpoint of one network, whose names have no prefix of an encoder."""
WRAPPERS = {"", "module", "model", "network", "net", "_orig_mod", "state_dict"}
"""Parts of a prefix that name no encoder beside which a head could stand."""
QUERIES = ("encoder_q.", "encoder_k.")
"""Encoders of MoCo, whose first version has a single linear layer as head."""
BATCHNORM = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def find_projector(
    tensors: Mapping[str, Tensor], prefix: str, dimension: int, used: Collection[str] = ()
) -> tuple[str, nn.Sequential] | str:
    """Find the projection head beside or inside the part of a checkpoint that holds an encoder.

    A head belongs to its encoder: that of `momentum_backbone.` is `momentum_projector.`, not `projector.`.

    Args:
        tensors: of the checkpoint.
        prefix: of the encoder's.
        dimension: of its pooled features.
        used: names of the tensors that the encoder has itself, whose features have passed them already.

    Returns:
        What the head's names begin with, and the head with its weights: linear layers and BatchNorm in their order, and
        an activation wherever one place of the sequence has no tensors: ReLU, as SimCLR, MoCo, BYOL, Barlow Twins and
        VICReg have it, or GELU of DINO. A network by itself has a classifier where encoders have a head of that name.
        Or the reason why there is none.
    """
    parent, _, last = prefix.rstrip(".").rpartition(".")
    parent = f"{parent}." if parent else ""
    beside = re.fullmatch(r"(.*?)(?:backbone|encoder|network|net)(.*)", last)
    before, after = beside.groups() if beside else ("", "")
    alone = set(prefix.rstrip(".").split(".")) <= WRAPPERS
    places = [f"{prefix}{name}." for name in HEADS] + [f"{parent}{before}{name}{after}." for name in HEADS]
    tried = []
    for place, start in ((place, f"{place}{inside}") for place in places for inside in INSIDE):
        parts = _parts(tensors, start)
        if not parts and prefix.endswith(QUERIES) and start == f"{prefix}fc.":
            parts = {0: {name: tensors[start + name] for name in ("weight", "bias") if start + name in tensors}}
        if not any(parts.values()):
            continue
        if alone and start.startswith(prefix) and start.removeprefix(prefix).split(".")[0] in CLASSIFIERS:
            tried.append(f"{start}: of a network by itself, which is a classifier")
            continue
        if any(key in used for key in tensors if key.startswith(start)):
            tried.append(f"{start}: the encoder applies it itself")
            continue
        has_prototypes = any(key.startswith(f"{place}{PROTOTYPES}") for key in tensors)
        built = _build(parts, dimension, nn.GELU if has_prototypes else nn.ReLU)
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


def _build(
    parts: Mapping[int, Mapping[str, Tensor]], dimension: int, activation: type[nn.Module]
) -> nn.Sequential | str:
    layers: list[nn.Module] = []
    width, before = dimension, -1
    for place, tensors in parts.items():
        if place > before + (2 if layers else 1):
            return f"its layer {before + 1} has no tensors, and what it does cannot be known"
        if place > before + 1:
            layers.append(activation())
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
