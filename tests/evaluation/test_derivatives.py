"""Forward-mode derivatives of every backbone against finite differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from care_bench.augmentations import ImageAugmentation, RandomRotation3D
from care_bench.evaluation.derivatives import derivative, smooth, tangent
from care_bench.models import Encoder
from care_bench.models.convnet import ConvNet
from care_bench.models.deepset import DeepSet
from care_bench.models.heads import projection_head


def encoder(name: str) -> Encoder:
    from torchvision import models

    torch.manual_seed(0)
    if name == "resnet":
        backbone: Any = models.resnet18(num_classes=10)
        backbone.dimension = 10
    else:
        backbone = ConvNet(3, 4) if name == "convnet" else DeepSet(8)
    return Encoder(backbone, projection_head(backbone.dimension, [6], 5), backbone.dimension, 5).double().eval()


@pytest.mark.parametrize("name", ["convnet", "resnet", "deepset"])
def test_agrees_with_finite_differences(name: str) -> None:
    shape = (4, 12, 3) if name == "deepset" else (4, 3, 16, 16)
    draws = torch.Generator().manual_seed(1)
    views, direction = (torch.randn(shape, generator=draws, dtype=torch.float64) for _ in range(2))
    model = encoder(name)
    model.represent = Double(model)  # type: ignore[method-assign]  # the encoder's own gives float32
    values, found = derivative(model, views, direction)
    step = 1e-6
    with torch.no_grad():
        ahead, behind = (model.represent(views + sign * step * direction) for sign in (1, -1))
    for representation in ("projection", "features"):
        finite = (ahead[representation] - behind[representation]) / (2 * step)
        assert finite.abs().max() > 1e-3
        torch.testing.assert_close(found[representation], finite, rtol=1e-4, atol=1e-6)
        assert not values[representation].requires_grad


class Double:
    def __init__(self, model: Encoder) -> None:
        self.model = model

    def __call__(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.model.features(inputs)
        projected = self.model.projector(features)
        return {
            "projection": projected / torch.linalg.vector_norm(projected, dim=1, keepdim=True),
            "features": features,
        }


def test_a_constant_encoder_does_not_move() -> None:
    model = encoder("convnet")
    model.represent = lambda views: {"features": torch.ones(len(views), 2)}  # type: ignore[method-assign]
    _, found = derivative(model, torch.ones(3, 3, 8, 8), torch.ones(3, 3, 8, 8))
    assert found["features"].tolist() == [[0, 0]] * 3


def _rounded(views: torch.Tensor) -> torch.Tensor:
    return (views * 255).round() / 255


@pytest.mark.parametrize(
    "cut",
    [torch.Tensor.detach, lambda views: torch.from_numpy(views.numpy()), _rounded, torch.inference_mode()(torch.clone)],
    ids=["detach", "numpy", "round", "inference_mode"],
)
def test_an_encoder_that_cuts_derivatives_off_is_not_called_invariant(cut: Any) -> None:
    model = encoder("convnet").float()
    draws = torch.Generator().manual_seed(1)
    views, direction = (torch.rand(4, 3, 8, 8, generator=draws) for _ in range(2))
    assert derivative(model, views, direction)[1]["features"].any()
    represent = model.represent
    model.represent = lambda views: represent(cut(views))  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="passes no derivatives on"):
        derivative(model, views, direction)


def test_a_tangent_is_that_of_the_normalised_view() -> None:
    view = ImageAugmentation(input_size=(6, 6), size=(6, 6), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    pixels = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    brighter = (view.identity(pixels * 1.01) - view.identity(pixels)) / 0.01
    torch.testing.assert_close(tangent(view, view.identity(pixels), "brightness"), brighter, rtol=0, atol=1e-3)
    assert "saturation" in smooth(view)
    assert smooth(RandomRotation3D()) == ("rotation_x", "rotation_y", "rotation_z")
