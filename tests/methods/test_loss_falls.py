"""Every method trains: its loss falls on a fixed batch, and all its weights get gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from care_bench.augmentations import ImageAugmentation, draw
from care_bench.methods import PLAIN, Method, View
from care_bench.models import Encoder
from care_bench.training.session import Pretraining
from tests.trained import TRAINED


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_of_every_method_falls(name: str, build: Callable[..., Method]) -> None:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU())
    encoder = Encoder(backbone, nn.Linear(32, 8), 32, 8)
    augmentation = ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=(0.5,), std=(0.25,))
    module = Pretraining(encoder, build(name, encoder, augmentation))
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(32, 1, 8, 8, generator=generator)
    fixed = []
    for draws in module.method.draws(32):
        parameters = None if draws == PLAIN else draw(augmentation, 32, draws, generator)
        inputs = augmentation.identity(images) if parameters is None else augmentation.apply(images, parameters)
        fixed.append(View(inputs, parameters))
    trained = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    before = {name: weight.detach().clone() for name, weight in trained.items()}
    optimizer = torch.optim.SGD(trained.values(), lr=0.02)
    losses = []
    for step in range(1, 4):
        loss, *_ = module(fixed)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        module.method.after_step(encoder, step, 3)
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
    still = [name for name, weight in trained.items() if torch.equal(weight.detach(), before[name])]
    assert not still, "weights without a gradient"
