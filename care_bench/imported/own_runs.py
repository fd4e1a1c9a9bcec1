"""A finished run of care_bench as an imported encoder."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from care_bench.config import read_run
from care_bench.config.imported import ImportedSettings
from care_bench.config.run import ImageAugmentationConfig
from care_bench.errors import CareBenchError
from care_bench.imported.architectures import Architecture
from care_bench.imported.inputs import Inputs
from care_bench.models import Encoder, build_encoder
from care_bench.runs.folder import RunFolder
from care_bench.runs.weights import load_encoder_weights


class _Head(nn.Module):
    """The projection of a run's encoder."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.projector = encoder.projector

    def forward(self, features: Tensor) -> Tensor:
        projected: Tensor = self.projector(features)
        return projected.float()


def build_run(settings: ImportedSettings, inputs: Inputs, where: str) -> tuple[Architecture, nn.Module]:
    """Return the backbone of a finished run with its weights, and its projection head.

    A run is trained on images normalised by the statistics of its own data. They are taken from the data that it is
    measured on if that is the same; for other data the settings have to give them.

    Args:
        settings: with `run:FOLDER`.
        inputs: what it is measured on.
        where: names the encoder in errors.

    Raises:
        CareBenchError: no finished run, a changed one, one that takes other inputs, or one of other data without
            statistics.
    """
    folder = RunFolder(Path(settings.name))
    if not folder.config.exists():
        raise CareBenchError(f"{where}: {folder.path} holds no run: its {folder.config.name} is missing")
    config = read_run(folder.config, None)
    summary = folder.check(config)
    kind = config.encoder.backbone.inputs
    if kind != inputs.kind:
        raise CareBenchError(f"{where}: run {config.id} takes {kind}s, the data are {inputs.kind}s; expected the same")
    mean, std = settings.mean, settings.std
    if kind == "image" and summary.data_sha256 == inputs.sha256:
        mean, std = mean or inputs.mean, std or inputs.std
    if kind == "image" and (mean is None or std is None):
        raise CareBenchError(
            f"{where}: run {config.id} was trained on other data, normalised by the statistics of {config.dataset}; "
            "expected --mean and --std with them"
        )
    encoder = build_encoder(config.encoder, len(mean or ()) or 1, config.seed)
    load_encoder_weights(encoder, folder.encoder, config.sha256())
    encoder.eval()
    made_by = {
        "run": config.id,
        "profile": config.profile,
        "method": config.method.name,
        "config_sha256": summary.config_sha256,
        "data_sha256": summary.data_sha256,
        "weights_sha256": summary.weights_sha256,
    }
    view = config.augmentation if isinstance(config.augmentation, ImageAugmentationConfig) else None
    size = None if view is None else view.size
    return Architecture(encoder.backbone, size, mean, std, made_by, view), _Head(encoder)
