"""The runs that benchmarks train: a preset with one of a few methods, or the paper's; and images of random pixels."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from care_bench.config import RunConfig, read_profile
from care_bench.config.presets import load_preset
from care_bench.config.run import ImageAugmentationConfig
from care_bench.data import PreparedDataset, Split

METHODS: dict[str, dict[str, Any]] = {
    "simclr": {"name": "simclr"},
    "moco_v2": {"name": "moco_v2", "queue": 1024},
    "byol": {"name": "byol"},
    "barlow_twins": {"name": "barlow_twins"},
    "equimod": {"name": "equimod", "base": {"name": "simclr"}},
    "augself": {"name": "augself", "base": {"name": "simclr"}},
    "care": {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 0.3},
    "care-wahba": {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 1.0, "loss": "wahba"},
}

RESNET: dict[str, Any] = {"encoder": {"backbone": {"name": "resnet18", "stem": "small-image"}}}
"""Changes of a preset to a ResNet-18."""

PAPER = Path(__file__).parents[1] / "workflows/config/paper.yaml"
STORED = {"cifar10": 32, "stl10": 96, "imagenet100": 256}
"""Data set of the paper -> side of its prepared images, in pixels."""


def run(dataset: str, preset: str, method: str, **changes: dict[str, Any]) -> RunConfig:
    """Return a run of a preset with one of METHODS.

    Args:
        dataset: its data set.
        preset: the preset with encoder, augmentation and training.
        method: a key of METHODS.
        changes: keys of the sections ``encoder``, ``augmentation`` and ``training`` that differ from the preset.
    """
    content: dict[str, Any] = {
        section: {**keys, **changes.get(section, {})} for section, keys in load_preset(preset).items()
    }
    content |= {"profile": "benchmark", "dataset": dataset, "variant": method, "seed": 0}
    return RunConfig.parse({**content, "method": METHODS[method]}, f"run {method}")


def paper_run(dataset: str, variant: str, **training: Any) -> RunConfig:
    """Return a run of the profile `paper`.

    Args:
        dataset: its data set.
        variant: its row, such as `care`.
        training: settings of the training that differ from the profile.
    """
    content = _paper()[dataset, variant].model_dump(mode="json")
    content["training"] |= training
    return RunConfig.parse(content, f"run {dataset}/{variant}")


@cache
def _paper() -> dict[tuple[str, str], RunConfig]:
    return {(config.dataset, config.variant): config for config in read_profile(PAPER).runs()}


def described(config: RunConfig) -> str:
    """Return what a run trains: method, chunks of the batch, backbone, and number and size of the images of a step."""
    splits = getattr(config.method, "splits", None)
    method = config.variant if splits is None else f"{config.variant} in {splits} splits"
    images = isinstance(config.augmentation, ImageAugmentationConfig)
    samples = f"images of {config.augmentation.size}x{config.augmentation.size}" if images else "point clouds"
    return f"{method}, {config.encoder.backbone.name}, {config.training.batch_size} {samples}"


def random_images(name: str, number: int, side: int) -> PreparedDataset:
    """Return a data set of random photographs: no benchmark of speed looks at what they show."""
    generator = np.random.default_rng(0)
    inputs = generator.integers(0, 256, (number, 3, side, side), dtype=np.uint8)
    split = Split(inputs, {"class": generator.integers(0, 10, number)})
    meta = {"kind": "image", "input_shape": [3, side, side]}
    return PreparedDataset(name, "image", meta, split, split, "0" * 64, [0.5] * 3, [0.25] * 3)
