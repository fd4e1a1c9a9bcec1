"""What a layer's output becomes: which side holds its channels, which token is the class token, and when."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import vision_transformer

from care_bench.errors import CareBenchError
from care_bench.imported import Inputs
from tests.imported.foreign import loaded, normalised, passed, pixels

HERE = "tests.imported.test_pooling"
CLOUDS = Inputs("point_cloud", (20, 3))


def clouds() -> Tensor:
    return torch.randn(5, 20, 3, generator=torch.Generator().manual_seed(1))


class PointNet(nn.Module):
    """Points (n, P, 3) through convolutions with their channels first, and linear layers with theirs last."""

    def __init__(self, channels: int = 6) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 5)
        self.convolution = nn.Conv1d(5, channels, 1)
        self.block = nn.Sequential(nn.Conv1d(channels, channels, 1), nn.ReLU())

    def forward(self, points: Tensor) -> Tensor:
        return self.block(self.convolution(self.linear(points).transpose(1, 2))).amax(dim=2)


def point_net() -> nn.Module:
    torch.manual_seed(4)
    return PointNet()


def square_point_net() -> nn.Module:
    torch.manual_seed(4)
    return PointNet(channels=20)


def test_the_points_of_a_cloud_are_averaged_wherever_its_channels_are() -> None:
    network = PointNet()
    layers = ("linear", "convolution", "block")
    found = loaded(CLOUDS, encoder=f"{HERE}:point_net", layers=layers)
    network = found.encoder.module  # type: ignore[assignment]
    rows = passed(found, clouds())
    with torch.no_grad():
        linear = network.linear(clouds())
        convolved = network.convolution(linear.transpose(1, 2))
        expected = [linear.mean(dim=1), convolved.mean(dim=2), network.block(convolved).mean(dim=2)]
    for name, value in zip(layers, expected, strict=True):
        assert torch.equal(rows[name], value), name
    assert found.provenance["layers"] == {
        "linear": "5, mean over points",
        "convolution": "6, mean over places",
        "block": "6, mean over points",
    }


def test_as_many_channels_as_points_are_refused_but_in_a_convolution() -> None:
    with pytest.raises(
        CareBenchError, match=r"layer 'block' gives a tensor \(4, 20, 20\); which side are its points\?"
    ):
        loaded(CLOUDS, encoder=f"{HERE}:square_point_net", layers=("block",))
    found = loaded(CLOUDS, encoder=f"{HERE}:square_point_net", layers=("convolution",))
    assert found.provenance["layers"] == {"convolution": "20, mean over places"}


def test_tokens_before_the_class_token_have_none() -> None:
    layers = ("patch_embed", "patch_drop", "blocks.0", "norm")
    found = loaded(encoder="timm:vit_tiny_patch16_224", size=32, layers=layers)
    network: Any = found.encoder.module  # type: ignore[union-attr]
    caught: dict[str, Tensor] = {}
    for name in layers:
        network.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: caught.update({name: out}))
    rows = passed(found, pixels())
    assert caught["blocks.0"].shape[1] == 5
    assert torch.equal(rows["blocks.0"], caught["blocks.0"][:, 0])
    assert torch.equal(rows["norm"], caught["norm"][:, 0])
    assert caught["patch_embed"].shape[1:] == (4, 192)
    assert torch.equal(rows["patch_embed"], caught["patch_embed"].mean(dim=1))
    pooling = ("mean over tokens", *["class token"] * 3)
    assert found.provenance["layers"] == {name: f"192, {how}" for name, how in zip(layers, pooling, strict=True)}
    with torch.no_grad():
        twin = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32).eval()
        twin.load_state_dict(network.state_dict())
        mean, std = torch.tensor(found.provenance["mean"]), torch.tensor(found.provenance["std"])
        inputs = (pixels() - mean[:, None, None]) / std[:, None, None]
        assert torch.equal(rows["norm"], twin.forward_features(inputs)[:, 0])


class Tokens(nn.Module):
    """A small vision transformer that puts its class token first, last, or adds it to every token."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place
        self.patches = nn.Conv2d(3, 6, 8, 8)
        self.cls_token = nn.Parameter(torch.randn(1, 1, 6))
        self.norm = nn.LayerNorm(6)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.last = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        token = self.cls_token.expand(len(tokens), -1, -1)
        if self.place == "added":
            tokens = tokens + token
        else:
            tokens = torch.cat([token, tokens] if self.place.startswith("first") else [tokens, token], dim=1)
        if self.place != "first, mixed at once":
            tokens = self.norm(tokens)
        found: Tensor = self.last(tokens + self.attention(query=tokens, key=tokens, value=tokens)[0])
        return found.mean(dim=1)


def token_first() -> nn.Module:
    torch.manual_seed(6)
    return Tokens("first")


def token_first_mixed() -> nn.Module:
    torch.manual_seed(6)
    return Tokens("first, mixed at once")


def token_last() -> nn.Module:
    torch.manual_seed(6)
    return Tokens("last")


def token_added() -> nn.Module:
    torch.manual_seed(6)
    return Tokens("added")


@pytest.mark.parametrize(
    ("name", "token"),
    [("token_first", True), ("token_first_mixed", True), ("token_last", False), ("token_added", False)],
)
def test_a_class_token_is_the_first_of_the_tokens_or_none(name: str, token: bool) -> None:
    """Attention mixes the tokens, so that behind it all of them depend on the class token wherever it is."""
    three = (0.5,) * 3
    found = loaded(encoder=f"{HERE}:{name}", mean=three, std=three, layers=("last",))
    network: Any = found.encoder.module  # type: ignore[union-attr]
    caught: list[Tensor] = []
    network.last.register_forward_hook(lambda _, __, output: caught.append(output))
    weights = network.cls_token.clone()
    rows = passed(found, pixels())["last"]
    assert torch.equal(rows, caught[0][:, 0] if token else caught[0].mean(dim=1))
    assert found.provenance["layers"] == {"last": "6, class token" if token else "6, mean over tokens"}
    assert torch.equal(network.cls_token, weights)
    watched = {part: len(part._forward_pre_hooks) for part in network.modules()}
    assert not any(watched.values())


class ChannelsLast(nn.Module):
    """A map with its channels last, as the maps of Swin transformers, made by parts that do not say so."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, channels, 8, 8)
        self.turned = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.turned(self.patches(images).permute(0, 2, 3, 1))
        return found.flatten(1)


def channels_last() -> nn.Module:
    torch.manual_seed(2)
    return ChannelsLast(7)


def cube() -> nn.Module:
    torch.manual_seed(2)
    return ChannelsLast(4)


def test_a_map_with_its_channels_last_is_told_by_its_shape() -> None:
    found = loaded(encoder=f"{HERE}:channels_last", mean=(0.5,) * 3, std=(0.5,) * 3, layers=("patches", "turned"))
    rows = passed(found, pixels())
    assert rows["turned"].shape == (len(pixels()), 7)
    assert torch.allclose(rows["turned"], rows["patches"], atol=1e-6)


def test_a_map_of_equal_sides_is_refused_but_of_a_convolution() -> None:
    three = (0.5,) * 3
    with pytest.raises(CareBenchError, match=r"layer 'turned' gives a tensor \(4, 4, 4, 4\); which side"):
        loaded(encoder=f"{HERE}:cube", mean=three, std=three, layers=("turned",))
    assert passed(loaded(encoder=f"{HERE}:cube", mean=three, std=three, layers=("patches",)), pixels())


def test_a_layer_that_is_called_twice_is_refused() -> None:
    with pytest.raises(CareBenchError, match=r"layer 'layer1\.0\.relu' gives more than one output in a pass"):
        loaded(encoder="torchvision:resnet18", size=32, layers=("layer1.0.relu",))


def test_a_layer_that_is_not_called_is_refused() -> None:
    with pytest.raises(CareBenchError, match="layer 'unused' is not called in a pass"):
        loaded(encoder=f"{HERE}:with_an_unused_layer", layers=("unused",))


def with_an_unused_layer() -> nn.Module:
    network = channels_last()
    network.add_module("unused", nn.Linear(2, 2))
    return network


def test_a_layer_is_measured_before_the_next_one_changes_it_in_place() -> None:
    """torchvision's ReLU writes into the output of bn1, and its blocks add into that of bn2."""
    found = loaded(encoder="torchvision:resnet18", size=32, layers=("bn1", "layer1.0.bn2"))
    network: Any = found.encoder.module  # type: ignore[union-attr]
    rows = passed(found, pixels())
    with torch.no_grad():
        normal = network.bn1(network.conv1(normalised(pixels())))
        assert float(normal.min()) < 0
        assert torch.allclose(rows["bn1"], normal.mean(dim=(2, 3)), atol=1e-6)
        block, inputs = network.layer1[0], network.maxpool(normal.relu())
        inner = block.bn2(block.conv2(block.bn1(block.conv1(inputs)).relu()))
        assert torch.allclose(rows["layer1.0.bn2"], inner.mean(dim=(2, 3)), atol=1e-6)


class BatchDependent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3, track_running_stats=False)

    def forward(self, images: Tensor) -> Tensor:
        rows: Tensor = self.norm(images).mean(dim=(2, 3))
        return rows


def test_rows_that_depend_on_the_rest_of_the_batch_are_refused() -> None:
    with pytest.raises(CareBenchError, match=r"other rows in a batch of 2 than in one of 4; expected rows that do not"):
        loaded(encoder=f"{HERE}:BatchDependent")


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the vision transformers of torchvision with few weights: its own have 86 million or more."""
    ours, few = vision_transformer._vision_transformer, {"num_layers": 1, "num_heads": 2, "hidden_dim": 4, "mlp_dim": 4}
    monkeypatch.setattr(vision_transformer, "_vision_transformer", lambda **keys: ours(**{**keys, **few}))


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("name", ["timm:test_vit", "torchvision:vit_b_32", "timm:test_convnext"])
def test_a_model_is_made_for_the_size_that_is_asked_for(name: str) -> None:
    found = loaded(encoder=name, size=96)
    assert found.size == 96
    assert len(passed(found, torch.rand(2, 3, 96, 96))["pooled"]) == 2
    assert loaded(encoder=name, size=96).weights_sha256 == found.weights_sha256


@pytest.mark.usefixtures("narrow")
def test_a_size_that_patches_do_not_divide_is_one_line() -> None:
    with pytest.raises(CareBenchError, match=r"torchvision cannot make 'vit_b_32'"):
        loaded(encoder="torchvision:vit_b_32", size=50)
