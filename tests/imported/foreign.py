"""Encoders and checkpoints of other people's code, small enough for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from care_bench.config.imported import ImportedSettings
from care_bench.errors import CareBenchError
from care_bench.imported import Imported, Inputs, load_imported

RESNET = "timm:test_resnet"
"""A ResNet of four blocks and 0.4 million weights, with the names that all ResNets have."""
FEATURES = 96
IMAGES = Inputs("image", (3, 32, 32), (0.5,) * 3, (0.25,) * 3)
GREY = Inputs("image", (1, 32, 32), (0.5,), (0.25,))


def loaded(inputs: Inputs = IMAGES, **keys: Any) -> Imported:
    """Load with `size` 32 unless another is given."""
    keys = {"size": 32} | keys if inputs.kind == "image" else keys
    return load_imported(ImportedSettings.parse(keys, "encoder"), inputs, "encoder x")


def pixels(channels: int = 3, side: int = 32, n: int = 5) -> Tensor:
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(3))


def seen(images: Tensor) -> Tensor:
    """Return images as RESNET takes them."""
    return normalised(images, (0.5,) * 3, (0.5,) * 3)


def normalised(images: Tensor, mean: Any = (0.485, 0.456, 0.406), std: Any = (0.229, 0.224, 0.225)) -> Tensor:
    return (images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def trained_resnet(seed: int = 5) -> nn.Module:
    """RESNET without classifier; its running statistics are not the initial ones."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network: nn.Module = timm.create_model("test_resnet", num_classes=0)
        network.train()(torch.randn(8, 3, 32, 32))
    return network.eval()


def saved(path: Path, content: Mapping[str, Any]) -> str:
    torch.save(dict(content), path)
    return str(path)


def prefixed(prefix: str, module: nn.Module | Mapping[str, Tensor]) -> dict[str, Tensor]:
    tensors = module.state_dict() if isinstance(module, nn.Module) else module
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def passed(encoder: Imported, images: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        return encoder.encoder.represent(images)


def small() -> nn.Module:
    """A function of this module, as a user's own encoder."""
    return nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def refused(inputs: Inputs = IMAGES, **keys: Any) -> str:
    """Return the line with which loading ends."""
    with pytest.raises(CareBenchError) as raised:
        loaded(inputs, **keys)
    line = str(raised.value)
    assert "\n" not in line
    return line
