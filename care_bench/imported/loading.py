"""Load an encoder that was trained elsewhere, and say what was found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from care_bench.config.imported import ImportedSettings
from care_bench.config.imported_run import HEAD
from care_bench.config.run import ImageAugmentationConfig
from care_bench.errors import CareBenchError
from care_bench.imported.architectures import Architecture, build
from care_bench.imported.checkpoints import read_checkpoint
from care_bench.imported.checks import check_passes, random_inputs
from care_bench.imported.encoder import POOLED, ImportedEncoder
from care_bench.imported.inputs import Inputs
from care_bench.imported.matching import Match, match
from care_bench.imported.own_runs import build_run
from care_bench.imported.projector import find_projector
from care_bench.models import FeatureExtractor

SHOWN = 5
"""Most names in a line."""


@dataclass(frozen=True)
class Imported:
    """A loaded encoder.

    Attributes:
        encoder: takes images in [0, 1], which it normalises, or point clouds.
        size: side of the images it takes; None for point clouds.
        weights_sha256: of all weights and buffers.
        provenance: where all of it comes from, as JSON.
        said: lines for the user.
        own_view: augmentation of the run that it is, whose plain view it sees; None where it is none.
    """

    encoder: FeatureExtractor
    size: int | None
    weights_sha256: str
    provenance: dict[str, Any]
    said: tuple[str, ...]
    own_view: ImageAugmentationConfig | None


def load_imported(settings: ImportedSettings, inputs: Inputs, where: str) -> Imported:
    """Build an encoder, load its weights, and check that it can be measured.

    Raises:
        CareBenchError: one line: the architecture, the checkpoint, a layer or the encoder itself cannot be used.
    """
    said: list[str] = []
    channels = inputs.shape[0] if inputs.kind == "image" else 3
    head: nn.Module | None = None
    weights: dict[str, Any] = {"weights": "its own" if settings.brings_weights else "none"}
    if settings.is_run:
        if settings.weights is not None:
            raise CareBenchError(f"{where}: {settings.encoder} has its own weights; expected no weights beside it")
        architecture, head = build_run(settings, inputs, where)
    else:
        architecture = build(settings, where)
    module = architecture.module.eval()
    if settings.weights is not None:
        head, weights, lines = _load(module, settings, inputs, architecture, where)
        said += lines
    elif not settings.brings_weights:
        said.append(f"{where}: no weights: its initial ones, of seed {settings.seed}")
    elif not settings.is_run:
        said.append(f"{where}: no weights: those that its own code gives it")
    if halved := sorted(
        {str(one.dtype) for one in module.parameters() if one.dtype in (torch.float16, torch.bfloat16)}
    ):
        said.append(f"{where}: its weights are {halved[0].removeprefix('torch.')}; they are used as float32")
    module.float()
    size, mean, std, repeat = _input(settings, inputs, architecture, where)
    said += architecture.said
    if size is not None:
        taken = (", ".join(f"{number:g}" for number in numbers) for numbers in (mean, std))
        said.append(f"{where}: images of {size} px, mean {next(taken)}, standard deviation {next(taken)}")
    if repeat > 1:
        said.append(f"{where}: the one channel of the images is repeated {repeat} times")
    layers = settings.layers or ((POOLED,) if head is None else (POOLED, HEAD))
    if HEAD in layers and head is None:
        reason = weights.get("no_projector", "no weights were given")
        raise CareBenchError(f"{where}: layer {HEAD!r} cannot be measured: {reason}")
    encoder = ImportedEncoder(module, head if HEAD in layers else None, layers, mean, std, repeat, where).eval()
    shape = inputs.shape if size is None else (channels, size, size)
    dimensions, difference = check_passes(encoder, random_inputs(shape), where)
    if difference:
        said.append(
            f"{where}: two passes over the same inputs differ by up to {difference:.2g}: it is not deterministic"
        )
    said += [f"{where}: layer {name}: {n} numbers, {encoder.pooling[name]}" for name, n in dimensions.items()]
    provenance = {
        "encoder": settings.spelt,
        "made_by": architecture.made_by,
        **weights,
        "size": size,
        "mean": list(mean),
        "std": list(std),
        "repeated_channels": repeat,
        "layers": {name: f"{n}, {encoder.pooling[name]}" for name, n in dimensions.items()},
        "difference_of_two_passes": difference,
    }
    return Imported(encoder, size, _sha256(encoder), provenance, tuple(said), architecture.own_view)


def _load(
    module: nn.Module, settings: ImportedSettings, inputs: Inputs, architecture: Architecture, where: str
) -> tuple[nn.Module | None, dict[str, Any], list[str]]:
    """Load a checkpoint; return its projection head, what was found, and lines for the user."""
    assert settings.weights is not None
    checkpoint = read_checkpoint(Path(settings.weights))
    found = match(module, checkpoint.tensors, settings.prefix, f"{where}: {checkpoint.path}")
    absent = (*found.missing, *found.wrong)
    partial = bool(absent or found.inside)
    lines = [_matched_line(found, len(module.state_dict()), checkpoint.path, where)]
    if absent:
        total = len(module.state_dict())
        listed = _listed(absent)
        if not settings.allow_partial:
            raise CareBenchError(
                f"{where}: {checkpoint.path} has {len(found.tensors)} of {total} tensors of {settings.spelt}, under "
                f"{found.prefix or 'no prefix'!r}; {len(absent)} are missing or of another shape: {listed}; expected "
                "its own architecture, or --allow-partial"
            )
        lines.append(f"{where}: PARTIAL: {len(absent)} tensors keep their initial values: {listed}")
    if found.inside:
        listed = _listed(found.inside)
        if not settings.allow_partial:
            raise CareBenchError(
                f"{where}: {checkpoint.path} has {len(found.inside)} tensors in the layers of {settings.spelt} that it "
                f"does not have: {listed}; expected its own architecture, not part of a larger one, or --allow-partial"
            )
        lines.append(f"{where}: PARTIAL: {len(found.inside)} tensors of its layers are not used: {listed}")
    module.load_state_dict(dict(found.tensors), strict=False)
    size, mean, std, repeat = _input(settings, inputs, architecture, where)
    probe = ImportedEncoder(module.float(), None, (POOLED,), mean, std, repeat, where).eval()
    shape = inputs.shape if size is None else (inputs.shape[0], size, size)
    dimension = check_passes(probe, random_inputs(shape), where)[0][POOLED]
    projector = find_projector(checkpoint.tensors, found.prefix, dimension, found.used)
    head = None if isinstance(projector, str) else projector[1]
    about: dict[str, Any] = {
        "weights": checkpoint.path.name,
        "weights_sha256": checkpoint.sha256,
        "prefix": found.prefix,
        "naming": found.naming,
        "matched": len(found.tensors),
        "missing": len(absent),
        "missing_names": list(absent[:20]),
        "left": len(found.left),
        "left_names": list(found.left[:20]),
        "partial": partial,
    }
    if isinstance(projector, str):
        about["no_projector"] = projector
    else:
        about["projector"] = projector[0].rstrip(".")
        about["projector_activation"] = activation = _activation(projector[1])
        between = f", {activation} between, which its names do not say" if activation else ""
        lines.append(f"{where}: projection head {about['projector']}: {_widths(projector[1])}{between}")
    return head, about, lines


def _matched_line(found: Match, total: int, path: Path, where: str) -> str:
    under = f"under {found.prefix!r}" if found.prefix else "without a prefix"
    line = f"{where}: {path.name}: {len(found.tensors)} of {total} tensors, {under}, {found.naming}"
    if found.others:
        line += f"; as many under {_listed([repr(one) for one in found.others])}, which --prefix takes"
    return f"{line}; left: {_listed(found.left)}" if found.left else line


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _widths(head: nn.Sequential) -> str:
    return "-".join(str(part.out_features) for part in head if isinstance(part, nn.Linear))


def _activation(head: nn.Sequential) -> str | None:
    return next((type(part).__name__ for part in head if isinstance(part, (nn.ReLU, nn.GELU))), None)


def _input(
    settings: ImportedSettings, inputs: Inputs, architecture: Architecture, where: str
) -> tuple[int | None, tuple[float, ...], tuple[float, ...], int]:
    """Return side, mean and std of the encoder's images, and how often a grey image's channel is repeated."""
    if inputs.kind == "point_cloud":
        if given := [key for key in ("size", "mean", "std") if getattr(settings, key) is not None]:
            raise CareBenchError(f"{where}: {given[0]} is for images, these are point clouds; expected none")
        return None, (), (), 1
    channels, *sides = inputs.shape
    size = settings.size or architecture.size or min(sides)
    mean = settings.mean or architecture.mean or (0.0,) * channels
    std = settings.std or architecture.std or (1.0,) * len(mean)
    if len(mean) != len(std):
        raise CareBenchError(f"{where}: mean has {len(mean)} numbers, std {len(std)}; expected one for each channel")
    if channels != len(mean) and channels != 1:
        raise CareBenchError(
            f"{where}: the images have {channels} channels, the encoder takes {len(mean)}; expected as many, or 1"
        )
    return size, tuple(mean), tuple(std), len(mean) if channels == 1 else 1


def _sha256(encoder: nn.Module) -> str:
    """Return the hash of all weights and buffers with their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        content = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {content.dtype} {tuple(content.shape)}\n".encode())
        digest.update(content.numpy().tobytes())
    return digest.hexdigest()
