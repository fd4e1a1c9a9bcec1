"""The momentum encoder, and the cosine schedule of BYOL's momentum."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from lightly.utils.scheduler import cosine_schedule
from torch import nn

from care_bench.methods import Method
from care_bench.methods.momentum import MomentumEncoder, cosine_momentum
from care_bench.models import Encoder


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(2)
    backbone = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    return Encoder(backbone, nn.Linear(4, 2), 4, 2)


def test_the_momentum_encoder_starts_as_an_untrained_copy(encoder: Encoder) -> None:
    momentum = MomentumEncoder(encoder)
    inputs = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(momentum.embed(inputs), encoder.embed(inputs))
    assert torch.equal(momentum.head(inputs), encoder.head(encoder.features(inputs)))
    assert not momentum.head(inputs).requires_grad
    assert not any(weight.requires_grad for weight in momentum.parameters())
    own = {weight.data_ptr() for weight in momentum.state_dict().values()}
    assert not own & {weight.data_ptr() for weight in encoder.state_dict().values()}


@pytest.mark.parametrize("share", [0.0, 0.25, 0.996, 1.0])
def test_weights_are_averaged_and_batchnorm_statistics_are_not(share: float, encoder: Encoder) -> None:
    momentum = MomentumEncoder(encoder)
    old = {name: weight.double().clone() for name, weight in momentum.encoder.state_dict().items()}
    for weight in encoder.parameters():
        nn.init.normal_(weight, generator=torch.Generator().manual_seed(weight.numel()))
    encoder.train()
    encoder.embed(torch.randn(8, 3, generator=torch.Generator().manual_seed(1)))  # updates the running statistics
    momentum.follow(encoder, share)
    new, parameters = momentum.encoder.state_dict(), dict(encoder.named_parameters())
    for name, before in old.items():
        followed = share * before + (1 - share) * parameters[name].detach().double() if name in parameters else before
        torch.testing.assert_close(new[name].double(), followed, rtol=1e-5, atol=1e-6, msg=name)
    assert encoder.backbone[1].num_batches_tracked == 1
    assert new["backbone.1.num_batches_tracked"] == 0


@pytest.mark.parametrize("wrapper", ["augself", "equimod"])
def test_the_momentum_encoder_of_a_wrapped_base_follows(
    wrapper: str, build: Callable[..., Method], linear: Encoder
) -> None:
    method = build(wrapper, linear, base={"name": "byol", "predictor_hidden": 6, "momentum": 0.5})
    weight = method.get_parameter("base.momentum_encoder.encoder.projector.weight")
    before = weight.clone()
    with torch.no_grad():
        linear.projector.weight.add_(1.0)
    method.after_step(linear, 1, total=2)
    torch.testing.assert_close(weight, before + 0.5)  # the momentum is 0.5 at the first step


@pytest.mark.parametrize("base", [0.0, 0.9, 0.996, 1.0])
def test_cosine_momentum_agrees_with_lightly(base: float) -> None:
    """Lightly counts from 0 to ``max_steps - 1``, where it reaches 1, so its ``max_steps`` is one larger."""
    total = 37
    for step in range(total + 1):
        expected = cosine_schedule(step, max_steps=total + 1, start_value=base, end_value=1.0)
        assert cosine_momentum(base, step, total) == pytest.approx(expected, abs=1e-12)
        assert 0 <= cosine_momentum(base, step, total) <= 1


@pytest.mark.parametrize(
    ("step", "expected"),
    # base 0.9: 1 - 0.1 (cos(pi step / 4) + 1) / 2
    [(0, 0.9), (1, 1 - 0.05 * (1 + math.sqrt(0.5))), (2, 0.95), (3, 1 - 0.05 * (1 - math.sqrt(0.5))), (4, 1.0)],
)
def test_cosine_momentum_by_hand(step: int, expected: float) -> None:
    assert cosine_momentum(0.9, step, total=4) == pytest.approx(expected, abs=1e-12)
