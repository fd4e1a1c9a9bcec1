"""Layouts of releases, rebuilt from the names of their keys."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.imported.foreign import FEATURES, RESNET, loaded, passed, pixels, prefixed, saved, seen, trained_resnet


def head(batchnorm: bool = True, width: int = FEATURES) -> nn.Sequential:
    torch.manual_seed(7)
    middle = [nn.BatchNorm1d(32)] if batchnorm else []
    return nn.Sequential(nn.Linear(width, 32, bias=not batchnorm), *middle, nn.ReLU(), nn.Linear(32, 8)).eval()


NETWORK, OTHER = trained_resnet(1), trained_resnet(2)
OPTIMIZER: dict[str, Any] = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
LAYOUTS: dict[str, tuple[dict[str, Any], str, bool]] = {
    # name: (checkpoint, prefix that is expected, whether it has a head)
    "plain": (prefixed("", NETWORK), "", False),
    "with a classifier": (
        {**NETWORK.state_dict(), "fc.weight": torch.zeros(10, FEATURES), "fc.bias": torch.zeros(10)},
        "",
        False,
    ),
    "solo-learn": (
        {
            "state_dict": {
                **prefixed("backbone.", NETWORK),
                **prefixed("projector.", head()),
                "classifier.weight": torch.zeros(10, FEATURES),
            }
        },
        "state_dict.backbone.",
        True,
    ),
    "solo-learn, with momentum": (
        {
            "state_dict": {
                **prefixed("momentum_backbone.", OTHER),
                **prefixed("backbone.", NETWORK),
                **prefixed("projector.", head()),
            }
        },
        "state_dict.backbone.",
        True,
    ),
    "MoCo v2": (
        {
            "epoch": 200,
            "arch": "resnet18",
            "state_dict": {
                **prefixed("module.encoder_k.", OTHER),
                **prefixed("module.encoder_q.", NETWORK),
                **prefixed("module.encoder_q.fc.", head(batchnorm=False)),
                "module.queue": torch.zeros(8, 16),
            },
            "optimizer": OPTIMIZER,
        },
        "state_dict.module.encoder_q.",
        True,
    ),
    "MoCo v3": (
        {
            "state_dict": {
                **prefixed("module.momentum_encoder.", OTHER),
                **prefixed("module.base_encoder.", NETWORK),
                **prefixed("module.base_encoder.fc.", head()),
            }
        },
        "state_dict.module.base_encoder.",
        True,
    ),
    "BYOL": (
        {
            "target_network_state_dict": prefixed("encoder.", OTHER),
            "online_network_state_dict": {**prefixed("encoder.", NETWORK), **prefixed("projection.", head())},
        },
        "online_network_state_dict.encoder.",
        True,
    ),
    "Barlow Twins": (
        {
            "epoch": 3,
            "model": {**prefixed("module.backbone.", NETWORK), **prefixed("module.projector.", head())},
            "optimizer": OPTIMIZER,
        },
        "model.module.backbone.",
        True,
    ),
    "VICReg": (
        {"model": {**prefixed("module.backbone.", NETWORK), **prefixed("module.projector.", head())}},
        "model.module.backbone.",
        True,
    ),
    "DINO": (
        {
            "student": {**prefixed("module.backbone.", OTHER)},
            "teacher": {**prefixed("backbone.", NETWORK), "head.last_layer.weight_g": torch.ones(4, 1)},
            "args": argparse.Namespace(arch="resnet18"),
            "optimizer": OPTIMIZER,
        },
        "teacher.backbone.",
        False,
    ),
    "compiled": (prefixed("_orig_mod.", NETWORK), "_orig_mod.", False),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_encoder_of_a_layout_is_found(tmp_path: Path, name: str) -> None:
    checkpoint, prefix, has_head = LAYOUTS[name]
    found = loaded(encoder=RESNET, weights=saved(tmp_path / "weights.pth", checkpoint))
    assert found.provenance["prefix"] == prefix
    rows = passed(found, pixels())
    with torch.no_grad():
        expected = NETWORK(seen(pixels()))
        assert torch.equal(rows["pooled"], expected)
        assert ("projector" in rows) == has_head
        if has_head:
            projected = functional.normalize(head(batchnorm="v2" not in name)(expected), dim=1)
            assert torch.allclose(rows["projector"], projected, atol=1e-6)


def test_the_student_of_dino_by_its_prefix(tmp_path: Path) -> None:
    path = saved(tmp_path / "dino.pth", LAYOUTS["DINO"][0])
    found = loaded(encoder=RESNET, weights=path, prefix="student.module.backbone")
    with torch.no_grad():
        assert torch.equal(passed(found, pixels())["pooled"], OTHER(seen(pixels())))


def test_momentum_weights_are_named_and_can_be_asked_for(tmp_path: Path) -> None:
    path = saved(tmp_path / "moco.pth", LAYOUTS["MoCo v2"][0])
    first = loaded(encoder=RESNET, weights=path)
    assert "as many under 'state_dict.module.encoder_k.', which --prefix takes" in first.said[0]
    other = loaded(encoder=RESNET, weights=path, prefix="encoder_k.")
    assert other.weights_sha256 != first.weights_sha256


def test_simclr_for_small_images_as_care_s_release_has_it(tmp_path: Path) -> None:
    """Its model is a sequence of ResNet-50's children without pooling and classifier, and a head g."""
    from torchvision.models import resnet18

    torch.manual_seed(3)
    children = []
    for name, part in resnet18(weights=None).named_children():
        kept = nn.Conv2d(3, 64, 3, 1, 1, bias=False) if name == "conv1" else part
        if not isinstance(kept, nn.Linear | nn.MaxPool2d):
            children.append(kept)
    f, g = nn.Sequential(*children).eval(), head(width=512)
    path = saved(tmp_path / "release.pth", {**prefixed("f.", f), **prefixed("g.", g)})
    found = loaded(encoder="care_bench.imported.small_images:resnet18", weights=path)
    assert (found.provenance["prefix"], found.provenance["naming"]) == ("f.", "by place, without pooling")
    rows = passed(found, pixels())
    with torch.no_grad():
        features = f(pixels()).flatten(1)
        assert torch.equal(rows["pooled"], features)
        assert torch.allclose(rows["projector"], functional.normalize(g(features), dim=1), atol=1e-6)


@pytest.mark.parametrize(
    ("backbone", "projector"),
    [
        ("momentum_backbone.", "momentum_projector."),
        ("backbone_momentum.", "projection_head_momentum.layers."),
        ("online_encoder.net.", "online_encoder.projector."),
        ("encoder.", "projetion.net."),
        ("encoder_k.", "encoder_k.fc."),
    ],
)
def test_a_head_belongs_to_its_own_encoder(tmp_path: Path, backbone: str, projector: str) -> None:
    wrong = {name: torch.zeros_like(one) for name, one in head().state_dict().items()}
    others = {**prefixed("projector.", wrong), **prefixed("projection_head.", wrong)} if backbone != "encoder." else {}
    content = {**others, **prefixed(backbone, NETWORK), **prefixed(projector, head())}
    found = loaded(encoder=RESNET, weights=saved(tmp_path / "weights.pth", content), prefix=backbone)
    assert found.provenance["projector"] == projector.rstrip(".")
    with torch.no_grad():
        expected = functional.normalize(head()(NETWORK(seen(pixels()))), dim=1)
        assert torch.allclose(passed(found, pixels())["projector"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("backbone", "layers", "last"),
    [
        ("teacher.backbone.", "teacher.head.mlp.", "teacher.head.last_layer.weight_v"),  # DINO's release
        ("teacher_backbone.", "teacher_head.layers.", "teacher_head.last_layer.parametrizations.weight.original1"),
        ("backbone.", "projection_head.layers.", "projection_head.last_layer.weight_v"),  # lightly
    ],
)
def test_dino_s_head_has_gelu_and_moco_s_first_one_is_linear(
    tmp_path: Path, backbone: str, layers: str, last: str
) -> None:
    torch.manual_seed(7)
    mlp = nn.Sequential(nn.Linear(FEATURES, 16), nn.GELU(), nn.Linear(16, 8))
    content = {**prefixed(backbone, NETWORK), **prefixed(layers, mlp), last: torch.ones(4, 8)}
    path = saved(tmp_path / "dino.pth", content)
    found = loaded(encoder=RESNET, weights=path)
    assert found.provenance["projector_activation"] == "GELU"
    assert any("16-8, GELU between, which its names do not say" in line for line in found.said)
    linear = nn.Linear(FEATURES, 4)
    moco = {**prefixed("module.encoder_q.", NETWORK), **prefixed("module.encoder_q.fc.", linear)}
    other = saved(tmp_path / "moco.pth", {"state_dict": moco})
    with torch.no_grad():
        features = NETWORK(seen(pixels()))
        for weights, part in ((path, mlp), (other, linear)):
            found = passed(loaded(encoder=RESNET, weights=weights), pixels())["projector"]
            assert torch.allclose(found, functional.normalize(part(features), dim=1), atol=1e-6)


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize("place", ["fc.", "head."])
def test_a_classifier_of_two_layers_is_no_projection_head(tmp_path: Path, prefix: str, place: str) -> None:
    classifier = nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU(), nn.Linear(16, 10))
    content = {**prefixed(prefix, NETWORK), **prefixed(f"{prefix}{place}", classifier)}
    found = loaded(encoder=RESNET, weights=saved(tmp_path / "supervised.pth", content))
    assert found.encoder.representations == ("pooled",)
    assert "which is a classifier" in found.provenance["no_projector"]


@pytest.mark.parametrize(("backbone", "place"), [("net.", "head."), ("network.", "fc."), ("model.", "head.")])
def test_a_head_beside_a_network_is_its_projection_head(tmp_path: Path, backbone: str, place: str) -> None:
    content = {**prefixed(backbone, NETWORK), **prefixed(place, head())}
    found = loaded(encoder=RESNET, weights=saved(tmp_path / "weights.pth", content))
    assert found.provenance["projector"] == place.rstrip(".")
