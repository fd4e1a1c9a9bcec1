"""Encoders: shapes, the unit sphere, the paper's head, stems, and weights that depend on the seed alone."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from care_bench.config.backbones import ResNetSettings
from care_bench.config.run import EncoderConfig
from care_bench.models import build_encoder, projection_head
from care_bench.models.convnet import ConvNet
from care_bench.models.deepset import DeepSet
from care_bench.models.resnet import build


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 32), (3, 9)])
def test_convnet_has_four_widths_of_features(channels: int, side: int) -> None:
    model = ConvNet(channels, width=5)
    assert model(torch.randn(4, channels, side, side)).shape == (4, 20)
    assert model.dimension == 20


def test_deepset_is_invariant_to_the_order_of_points_and_not_to_rotations() -> None:
    torch.manual_seed(0)
    model = DeepSet(width=16).double()
    cloud = torch.randn(3, 50, 3, dtype=torch.float64)
    features = model(cloud)
    assert features.shape == (3, model.dimension)
    torch.testing.assert_close(model(cloud[:, torch.randperm(50)]), features, rtol=1e-12, atol=1e-12)
    turned = cloud @ torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    assert (model(turned) - features).abs().max() > 1e-3


def test_deepset_is_an_mlp_of_the_mean_of_an_mlp_of_every_point() -> None:
    torch.manual_seed(0)
    model = DeepSet(width=8).double()
    clouds = torch.randn(2, 5, 3, dtype=torch.float64)
    with torch.no_grad():
        expected = model.on_mean(torch.stack([model.per_point(cloud).mean(dim=0) for cloud in clouds]))
        torch.testing.assert_close(model(clouds), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "dimension", "builder"), [("resnet18", 512, "resnet18"), ("resnet50", 2048, "resnet50")]
)
def test_resnets_are_torchvisions_without_the_classifier(name: str, dimension: int, builder: str) -> None:
    usual = build(ResNetSettings.parse({"name": name, "stem": "imagenet"}, "here"), 3)
    peer = getattr(torchvision.models, builder)(weights=None)
    assert usual.dimension == dimension
    assert count(usual) == count(peer) - count(peer.fc)
    small = build(ResNetSettings.parse({"name": name}, "here"), 3)
    # 3x3 instead of 7x7: 64 * 3 * (49 - 9) fewer weights.
    assert count(usual) - count(small) == 64 * 3 * 40


def test_the_small_image_stem_keeps_the_resolution() -> None:
    model = build(ResNetSettings(name="resnet18"), 1).eval()
    shapes: list[torch.Size] = []
    model.layer1.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))  # type: ignore[union-attr]
    with torch.no_grad():
        assert model(torch.randn(2, 1, 16, 16)).shape == (2, 512)
    assert shapes == [(2, 64, 16, 16)]


def test_the_imagenet_stem_divides_the_resolution_by_four() -> None:
    model = build(ResNetSettings(name="resnet18", stem="imagenet"), 1).eval()
    shapes: list[torch.Size] = []
    model.layer1.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))  # type: ignore[union-attr]
    with torch.no_grad():
        model(torch.randn(2, 1, 32, 32))
    assert shapes == [(2, 64, 8, 8)]


def test_the_papers_head_is_2048_512_128_with_batchnorm_and_relu() -> None:
    head = projection_head(2048, [512], 128)
    assert [type(layer) for layer in head] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    # Weights: 2048 * 512, BatchNorm's 2 * 512, 512 * 128 and its bias.
    assert count(head) == 2048 * 512 + 2 * 512 + 512 * 128 + 128
    assert [type(layer) for layer in projection_head(8, [], 4)] == [nn.Linear]


def test_the_head_of_moco_v2_is_2048_2048_128_with_biases_and_without_batchnorm() -> None:
    head = projection_head(2048, [2048], 128, batchnorm=False)
    assert [type(layer) for layer in head] == [nn.Linear, nn.ReLU, nn.Linear]
    # Weights: 2048 * 2048 and 2048 biases, 2048 * 128 and 128 biases.
    assert count(head) == 2048 * 2048 + 2048 + 2048 * 128 + 128


def test_without_batchnorm_an_embedding_does_not_depend_on_the_rest_of_the_batch() -> None:
    torch.manual_seed(0)
    features = torch.randn(6, 5)
    for batchnorm in (True, False):
        head = projection_head(5, [7, 7], 3, batchnorm=batchnorm)
        assert torch.allclose(head(features)[:2], head(features[:2]), atol=1e-6) is not batchnorm
    hidden = functional.relu(functional.linear(features, head[0].weight, head[0].bias))  # type: ignore[arg-type]
    hidden = functional.relu(functional.linear(hidden, head[2].weight, head[2].bias))  # type: ignore[arg-type]
    torch.testing.assert_close(head(features), functional.linear(hidden, head[4].weight, head[4].bias))  # type: ignore[arg-type]


CONFIG = EncoderConfig.parse(
    {"backbone": {"name": "convnet", "width": 4}, "projector": {"hidden": [8], "output": 6}}, ""
)


def test_embeddings_lie_on_the_unit_sphere_and_features_do_not() -> None:
    encoder = build_encoder(CONFIG, 3, seed=1)
    images = torch.rand(7, 3, 8, 8)
    features, embedding = encoder.features(images), encoder.embed(images)
    assert features.shape == (7, 16)
    assert embedding.shape == (7, 6)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(7))
    assert (features.norm(dim=1) - 1).abs().min() > 1e-3
    torch.testing.assert_close(encoder(images), embedding)
    torch.testing.assert_close(encoder.project(features), embedding)


def test_embeddings_are_float32_under_autocast() -> None:
    encoder = build_encoder(CONFIG, 3, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embedding = encoder.embed(torch.rand(4, 3, 8, 8))
    assert embedding.dtype == torch.float32
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(4))


def test_initial_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(3)
    expected_next = torch.rand(1)
    torch.manual_seed(3)
    first = build_encoder(CONFIG, 3, seed=5).state_dict()
    assert torch.equal(torch.rand(1), expected_next), "the global generator has changed"
    again, other = (build_encoder(CONFIG, 3, seed=seed).state_dict() for seed in (5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["projector.0.weight"], other["projector.0.weight"])


def test_the_config_decides_whether_the_projection_head_has_batchnorm() -> None:
    kinds = {}
    for batchnorm in (True, False):
        projector = CONFIG.projector.model_copy(update={"batchnorm": batchnorm})
        encoder = build_encoder(CONFIG.model_copy(update={"projector": projector}), 3, seed=1)
        kinds[batchnorm] = [type(layer) for layer in encoder.projector]  # type: ignore[attr-defined]
    assert kinds == {
        True: [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear],
        False: [nn.Linear, nn.ReLU, nn.Linear],
    }
    assert CONFIG.projector.batchnorm, "the default is a head with BatchNorm"
