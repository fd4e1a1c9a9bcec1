"""Torchvision's models are given what their published weights take: its own transforms are the expectation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from care_bench.config.imported import ImportedSettings
from care_bench.imported.architectures import build
from tests.imported.foreign import IMAGES, loaded, passed, pixels

HALF = [0.5, 0.5, 0.5]


class Pooled(nn.Module):
    """In place of a large network: it has a classifier, and gives the means of its inputs."""

    def __init__(self, **_: Any) -> None:
        super().__init__()
        self.fc = nn.Linear(1, 1)

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = models.get_model
    monkeypatch.setattr(
        models, "get_model", lambda name, **keys: ours(name, **keys) if name == "googlenet" else Pooled()
    )


def built(**keys: Any) -> Any:
    return build(ImportedSettings.parse(keys, "here"), "encoder x")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", [one for one in models.list_models(module=models) if one != "googlenet"])
def test_every_model_takes_what_its_default_weights_do(name: str) -> None:
    """A white square: the transform resizes and crops it to itself, and normalises it."""
    found = built(encoder=f"torchvision:{name}")
    usual = models.get_model_weights(name).DEFAULT.transforms()
    white = torch.ones(1, 3, 600, 600)
    taken = usual(white)
    assert tuple(taken.shape[2:]) == (found.size, found.size)
    for channel in range(3):
        normalised = (1 - found.mean[channel]) / found.std[channel]
        assert float(taken[0, channel, 0, 0]) == pytest.approx(normalised, rel=1e-5)


@pytest.mark.usefixtures("small")
def test_what_is_taken_is_printed_and_recorded() -> None:
    found = loaded(IMAGES, encoder="torchvision:efficientnet_v2_l", size=None)
    assert "encoder x: size, mean, std as torchvision's weights IMAGENET1K_V1 take them" in found.said
    assert "encoder x: images of 480 px, mean 0.5, 0.5, 0.5, standard deviation 0.5, 0.5, 0.5" in found.said
    assert (found.provenance["mean"], found.provenance["std"], found.size) == (HALF, HALF, 480)
    images = pixels(side=480, n=2)
    assert torch.allclose(passed(found, images)["pooled"], ((images - 0.5) / 0.5).mean(dim=(2, 3)), atol=1e-5)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "size, mean, std as torchvision's weights IMAGENET1K_V1 take them; IMAGENET1K_FEATURES take others"),
        ({"size": 32}, "mean, std as torchvision's weights IMAGENET1K_V1 take them; IMAGENET1K_FEATURES take others"),
        ({"mean": HALF, "std": HALF}, "size as torchvision's weights IMAGENET1K_V1 take it"),
        ({"size": 32, "mean": HALF, "std": HALF}, None),
    ],
)
def test_weights_that_take_something_else_are_named(keys: dict[str, Any], said: str | None) -> None:
    lines = built(encoder="torchvision:vgg16", **keys).said
    assert lines == (() if said is None else (f"encoder x: {said}{', which can be given' * ('others' in said)}",))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_model_that_changes_the_normalisation_itself_does_so() -> None:
    """As torchvision's own GoogLeNet with published weights, which are made with ``transform_input``."""
    found = loaded(encoder="torchvision:googlenet", size=64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        own = models.googlenet(weights=None, transform_input=True, init_weights=True).eval()
    own.fc = nn.Identity()
    own.load_state_dict(found.encoder.module.state_dict())  # type: ignore[union-attr]
    images = pixels(side=64, n=2)
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        expected = own((images - mean) / std)
        doubled = own._transform_input((images - mean) / std)
    assert torch.allclose(doubled, (images - 0.5) / 0.5, atol=1e-5)  # what its first layer is given
    assert torch.equal(passed(found, images)["pooled"], expected)
    assert "encoder x: from these it goes on to mean and std 0.5 itself, as with published weights" in found.said
    given = loaded(encoder="torchvision:googlenet", size=64, mean=HALF, std=HALF)
    assert torch.allclose(passed(given, images)["pooled"], expected, atol=1e-4)  # once, and not twice


def test_the_models_that_do_so_are_all_known() -> None:
    """Whose function sets ``transform_input`` where weights are given."""
    import inspect

    from care_bench.imported.architectures import TRANSFORMING

    found = {
        name
        for name in models.list_models(module=models)
        if "transform_input" in inspect.getsource(inspect.unwrap(models.get_model_builder(name)))
    }
    assert found == set(TRANSFORMING)
