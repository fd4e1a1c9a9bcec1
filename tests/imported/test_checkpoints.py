"""Checkpoints that only look like those of the encoder, and files in the dress of another kind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from torch import nn
from torch.nn import functional

from care_bench.errors import CareBenchError
from tests.imported.foreign import FEATURES, RESNET, loaded, passed, pixels, prefixed, saved, seen, trained_resnet

HERE = "tests.imported.test_checkpoints"
NETWORK = trained_resnet(1)


@pytest.mark.parametrize("prefix", ["", "module.encoder_q.", "state_dict.backbone."])
def test_a_deeper_network_is_not_its_first_layers(tmp_path: Path, prefix: str) -> None:
    """It has every name of the other one, in the same shapes."""
    path = saved(tmp_path / "deep.pth", prefixed(prefix, timm.create_model("test_resnet", layers=(1, 2, 1, 1))))
    with pytest.raises(
        CareBenchError, match=r"tensors in the layers of timm:test_resnet that it does not have: \S*layer2\.1"
    ):
        loaded(encoder=RESNET, weights=path)
    found = loaded(encoder=RESNET, weights=path, allow_partial=True)
    assert found.provenance["partial"] is True
    assert any("PARTIAL" in line and "of its layers are not used" in line for line in found.said)


def test_a_longer_sequence_is_not_its_beginning(tmp_path: Path) -> None:
    def convolutions(n: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(3, 8, 3), *[nn.Conv2d(8, 8, 3) for _ in range(n - 1)])

    path = saved(tmp_path / "long.pth", convolutions(5).state_dict())
    with pytest.raises(CareBenchError, match=r"does not have: 3\.weight, 3\.bias"):
        loaded(encoder=f"{HERE}:three_convolutions", weights=path)


def three_convolutions() -> nn.Module:
    layers = [nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize("name", ["timm:test_convnext", "torchvision:mobilenet_v3_small", "timm:test_vit"])
def test_a_classifier_within_a_part_of_the_encoder_is_no_deeper_network(tmp_path: Path, name: str) -> None:
    library, _, model = name.partition(":")
    if library == "timm":
        size = {"img_size": 32} if "vit" in model else {}
        whole: nn.Module = timm.create_model(model, num_classes=7, **size)
    else:
        from torchvision.models import get_model

        whole = get_model(model, weights=None)
    path = saved(tmp_path / "whole.pth", {"state_dict": prefixed("module.", whole)})
    found = loaded(encoder=name, weights=path)
    assert found.provenance["partial"] is False
    assert found.provenance["left"] == 2  # weight and bias of the classifier


class WithItsProjector(nn.Module):
    """Its output has passed its projector already."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = timm.create_model("test_resnet", num_classes=0)
        self.projector = nn.Sequential(nn.Linear(FEATURES, FEATURES), nn.ReLU(), nn.Linear(FEATURES, FEATURES))

    def forward(self, images: torch.Tensor) -> Any:
        return self.projector(self.backbone(images))


def test_a_projector_that_the_encoder_applies_is_not_applied_again(tmp_path: Path) -> None:
    torch.manual_seed(5)
    whole = WithItsProjector().eval()
    path = saved(tmp_path / "whole.pth", whole.state_dict())
    found = loaded(encoder=f"{HERE}:WithItsProjector", weights=path)
    rows = passed(found, pixels())
    assert list(rows) == ["pooled"]
    assert found.provenance["no_projector"] == "projector.: the encoder applies it itself"
    with torch.no_grad():
        assert torch.equal(rows["pooled"], whole(pixels()))


@pytest.mark.parametrize(
    ("head", "gap"),
    [
        (nn.Sequential(nn.Linear(FEATURES, 8), nn.Dropout(), nn.ReLU(), nn.Linear(8, 4)), 1),
        (nn.Sequential(nn.ReLU(), nn.Linear(FEATURES, 8)), 0),
    ],
)
def test_a_head_with_unknown_layers_is_not_guessed(tmp_path: Path, head: nn.Sequential, gap: int) -> None:
    content = {**prefixed("backbone.", NETWORK), **prefixed("projector.", head)}
    found = loaded(encoder=RESNET, weights=saved(tmp_path / "weights.pth", content))
    assert list(passed(found, pixels())) == ["pooled"]
    assert f"its layer {gap} has no tensors" in found.provenance["no_projector"]


def test_safetensors_are_known_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(NETWORK.state_dict(), path)
    shutil.copy(path, tmp_path / "weights.pth")
    rows = [
        passed(loaded(encoder=RESNET, weights=str(tmp_path / name)), pixels())["pooled"]
        for name in ("weights.safetensors", "weights.pth")
    ]
    assert torch.equal(*rows)


@pytest.mark.parametrize("number", [np.float64(71.5), np.int64(3), np.float32(0.5), np.bool_(True)])
def test_numbers_of_numpy_beside_the_weights_are_no_code(tmp_path: Path, number: Any) -> None:
    path = saved(tmp_path / "weights.pth", {"best_acc1": number, "state_dict": NETWORK.state_dict()})
    with torch.no_grad():
        expected = NETWORK(seen(pixels()))
    assert torch.equal(passed(loaded(encoder=RESNET, weights=path), pixels())["pooled"], expected)


def test_numbers_of_older_numpy_are_no_code(tmp_path: Path) -> None:
    """numpy 1 names another module; its files have no zip around them before torch 1.6 either."""
    path = tmp_path / "weights.pth"
    torch.save({"best": np.float64(2), **NETWORK.state_dict()}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert b"numpy._core.multiarray" in content
    path.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert loaded(encoder=RESNET, weights=str(path)).provenance["partial"] is False


def test_averaged_weights_of_timm_come_first(tmp_path: Path) -> None:
    other = trained_resnet(2)
    content = {"state_dict": NETWORK.state_dict(), "state_dict_ema": other.state_dict()}
    found = loaded(encoder=RESNET, weights=saved(tmp_path / "timm.pth", content))
    assert "as many under 'state_dict.'" in found.said[0]
    with torch.no_grad():
        assert torch.equal(passed(found, pixels())["pooled"], other(seen(pixels())))


def test_a_head_after_its_encoder_is_normalised(tmp_path: Path) -> None:
    torch.manual_seed(1)
    head = nn.Sequential(nn.Linear(FEATURES, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4)).eval()
    content = {**prefixed("backbone.", NETWORK), **prefixed("projector.", head)}
    found = loaded(encoder=RESNET, weights=saved(tmp_path / "weights.pth", content))
    with torch.no_grad():
        expected = functional.normalize(head(NETWORK(seen(pixels()))), dim=1)
    assert torch.allclose(passed(found, pixels())["projector"], expected, atol=1e-6)
