"""Checkpoints that other libraries' own classes write, and the outputs of their own forward passes."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from lightly.models.modules import BYOLProjectionHead, MoCoProjectionHead, SimCLRProjectionHead
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from tests.imported.foreign import (
    FEATURES,
    GREY,
    RESNET,
    loaded,
    normalised,
    passed,
    pixels,
    prefixed,
    saved,
    seen,
    trained_resnet,
)


class SimCLR(nn.Module):
    """As lightly's examples build it: a sequence of a ResNet's children, and a head."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*list(timm.create_model("test_resnet").children())[:-1])
        self.projection_head = head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images).flatten(start_dim=1)
        projected: Tensor = self.projection_head(features)
        return features, projected


HEADS = {
    "simclr": lambda: SimCLRProjectionHead(FEATURES, 64, 16),
    "moco": lambda: MoCoProjectionHead(FEATURES, 64, 16),
    "byol": lambda: BYOLProjectionHead(FEATURES, 64, 16),
}


@pytest.mark.parametrize("head", HEADS)
def test_lightly_s_models(tmp_path: Path, head: str) -> None:
    torch.manual_seed(1)
    model = SimCLR(HEADS[head]())
    model.train()(torch.randn(8, 3, 32, 32))
    model.eval()
    found = loaded(encoder=RESNET, weights=saved(tmp_path / "lightly.pt", model.state_dict()))
    assert found.provenance["naming"] == "by place among the layers"
    images = pixels()
    with torch.no_grad():
        features, projected = model(seen(images))
    rows = passed(found, images)
    assert torch.equal(rows["pooled"], features)
    assert torch.allclose(rows["projector"], functional.normalize(projected, dim=1), atol=1e-7)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "mobilenetv3_small_050"])
def test_timm_s_models_with_their_classifier(tmp_path: Path, name: str) -> None:
    torch.manual_seed(1)
    model = timm.create_model(name, pretrained=False).eval()
    size = 160 if name == "test_vit" else 64
    found = loaded(encoder=f"timm:{name}", weights=saved(tmp_path / "timm.pth", model.state_dict()), size=size)
    images = pixels(side=size, n=2)
    data = timm.data.resolve_model_data_config(model)  # type: ignore[attr-defined]
    with torch.no_grad():
        taken = normalised(images, data["mean"], data["std"])
        expected = model.forward_head(model.forward_features(taken), pre_logits=True)
    assert torch.equal(passed(found, images)["pooled"], expected)


def test_timm_s_own_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    model = timm.create_model("test_resnet", pretrained=False, num_classes=0).eval()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    found = loaded(encoder=RESNET, weights=str(tmp_path / "model.safetensors"))
    assert found.provenance["matched"] == len(model.state_dict())
    assert found.provenance["partial"] is False


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_torchvision_s_models(tmp_path: Path, name: str) -> None:
    torch.manual_seed(2)
    model = models.get_model(name, weights=None).eval()
    found = loaded(encoder=f"torchvision:{name}", weights=saved(tmp_path / "tv.pth", model.state_dict()))
    images = pixels()
    caught: list[Tensor] = []
    last = [part for part in model.modules() if isinstance(part, nn.Linear)][-1]
    last.register_forward_hook(lambda module, inputs, output: caught.append(inputs[0]))
    with torch.no_grad():
        model(normalised(images))
    assert torch.equal(passed(found, images)["pooled"], caught[0])


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_lightning_s_trainer_writes_what_is_read(tmp_path: Path) -> None:
    import pytorch_lightning as pl
    from torch.utils.data import DataLoader

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = trained_resnet()
            self.save_hyperparameters({"temperature": 0.5})

        def training_step(self, batch: Tensor, index: int) -> Tensor:
            loss: Tensor = self.encoder(batch).square().mean()
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    module = Module()
    trainer = pl.Trainer(
        max_steps=1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(tmp_path),
        enable_checkpointing=False,
    )
    trainer.fit(module, DataLoader(torch.randn(4, 3, 32, 32), batch_size=4))  # type: ignore[arg-type]
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    found = loaded(encoder=RESNET, weights=str(tmp_path / "last.ckpt"))
    assert found.provenance["prefix"] == "state_dict.encoder."
    with torch.no_grad():
        expected = module.encoder.eval()(seen(pixels()))
    assert torch.equal(passed(found, pixels())["pooled"], expected)


def test_distributed_data_parallel_and_a_compiled_module(tmp_path: Path) -> None:
    import torch.distributed as dist

    network = trained_resnet()
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        parallel = nn.parallel.DistributedDataParallel(network)
    finally:
        dist.destroy_process_group()
    compiled = torch.compile(parallel)  # its names change; nothing is compiled before the first pass
    path = saved(tmp_path / "ddp.pt", {"model": compiled.state_dict()})  # type: ignore[attr-defined]
    found = loaded(encoder=RESNET, weights=path)
    assert found.provenance["prefix"] == "model._orig_mod.module."
    with torch.no_grad():
        assert torch.equal(passed(found, pixels())["pooled"], network(seen(pixels())))


def test_grey_images_are_repeated_for_a_colour_model(tmp_path: Path) -> None:
    network = trained_resnet()
    path = saved(tmp_path / "plain.pt", network.state_dict())
    found = loaded(GREY, encoder=RESNET, weights=path)
    images = pixels(channels=1)
    with torch.no_grad():
        expected = network(seen(images.repeat(1, 3, 1, 1)))
    assert torch.equal(passed(found, images)["pooled"], expected)
    assert "repeated 3 times" in " ".join(found.said)


def test_layers_by_name_and_their_pooling(tmp_path: Path) -> None:
    network = trained_resnet()
    path = saved(tmp_path / "plain.pt", prefixed("net.", network))
    found = loaded(encoder=RESNET, weights=path, layers=["layer3", "pooled", "layer4.0.conv1"])
    caught: dict[str, Tensor] = {}
    network.layer3.register_forward_hook(lambda module, inputs, output: caught.update(layer3=output))
    with torch.no_grad():
        network(seen(pixels()))
    rows = passed(found, pixels())
    assert list(rows) == ["layer3", "pooled", "layer4.0.conv1"]
    assert torch.allclose(rows["layer3"], caught["layer3"].mean(dim=(2, 3)), atol=1e-6)
    assert found.provenance["layers"]["layer3"] == "192, mean over the map"


def test_tokens_give_the_class_token_and_channels_last_maps_their_mean() -> None:
    vit = loaded(encoder="timm:test_vit", size=160, layers=["blocks.1", "pooled"])
    assert vit.provenance["layers"]["blocks.1"] == "64, class token"
    swin = loaded(encoder="torchvision:swin_t", size=64, layers=["features.1"])
    assert swin.provenance["layers"]["features.1"] == "96, mean over the map"
    mixer = loaded(encoder="timm:mixer_s32_224", size=224, layers=["blocks.0"])
    assert mixer.provenance["layers"]["blocks.0"] == "512, mean over tokens"


def test_weights_without_a_file_depend_on_the_seed_alone() -> None:
    torch.manual_seed(11)
    first = loaded(encoder=RESNET, seed=4)
    torch.manual_seed(12)
    second, other = loaded(encoder=RESNET, seed=4), loaded(encoder=RESNET, seed=5)
    assert first.weights_sha256 == second.weights_sha256 != other.weights_sha256
    assert "no weights: its initial ones, of seed 4" in first.said[0]


def test_weights_of_its_own_code_are_said() -> None:
    found = loaded(encoder="care_bench.imported.small_images:resnet18", size=8)
    assert any(line.endswith("no weights: those that its own code gives it") for line in found.said)
