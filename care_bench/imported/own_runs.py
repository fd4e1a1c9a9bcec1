"""A finished run of care_bench as an imported encoder."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from care_bench.config import read_run
from care_bench.config.imported import ImportedSettings
from care_bench.errors import CareBenchError
from care_bench.imported.architectures import Architecture
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


def build_run(
    settings: ImportedSettings, channels: int, statistics: tuple[tuple[float, ...], tuple[float, ...]], where: str
) -> tuple[Architecture, nn.Module]:
    """Return the backbone of a finished run with its weights, and its projection head.

    Args:
        settings: with `run:FOLDER`.
        channels: of the images.
        statistics: mean and standard deviation of the channels of the data; a run is trained on images normalised by
            those of its own data, so for other data the settings have to give them.
        where: names the encoder in errors.

    Raises:
        CareBenchError: no finished run, a changed one, or one that takes other inputs.
    """
    folder = RunFolder(Path(settings.name))
    if not folder.config.exists():
        raise CareBenchError(
            f"{where}: {folder.path} holds no run: {folder.config.name} is missing; expected its folder"
        )
    config = read_run(folder.config, None)
    summary = folder.check(config)
    encoder = build_encoder(config.encoder, channels, config.seed)
    load_encoder_weights(encoder, folder.encoder, config.sha256())
    encoder.eval()
    made_by = {
        "run": config.id,
        "profile": config.profile,
        "method": config.method.name,
        "config_sha256": summary.config_sha256,
        "data_sha256": summary.data_sha256,
    }
    mean, std = statistics
    size = getattr(config.augmentation, "size", None)
    return Architecture(encoder.backbone, size, mean, std, made_by), _Head(encoder)
