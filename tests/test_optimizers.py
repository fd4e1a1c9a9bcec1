"""Adam and SGD: torch's own to the bit, and their formulas in numpy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from care_bench.optimizers import SGD, Adam

STEPS = 5
CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "adam": (Adam, torch.optim.Adam, {"lr": 0.1, "weight_decay": 0.01}),
    "adam, fused": (Adam, torch.optim.Adam, {"lr": 0.1, "weight_decay": 0.01, "fused": True}),
    "sgd": (SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "sgd, fused": (SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "fused": True}),
}


def gradients() -> Tensor:
    return torch.randn(STEPS, 7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def stepped(make: Any, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Any]:
    """Return a weight after some steps with given gradients, and its optimizer."""
    weight = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    weight.requires_grad_()
    optimizer = make([weight])
    for gradient in gradients():
        optimizer.zero_grad()
        assert weight.grad is None
        weight.grad = gradient.to(dtype)
        optimizer.step()
        assert weight.grad_fn is None
    return weight.detach(), optimizer


@pytest.mark.parametrize("case", CASES)
def test_the_steps_are_those_of_torch_to_the_bit(case: str) -> None:
    ours, theirs, settings = CASES[case]
    (weight, optimizer), (expected, reference) = (
        stepped(partial(make, **settings), torch.float32) for make in (ours, theirs)
    )
    assert torch.equal(weight, expected)
    assert optimizer.defaults == reference.defaults
    state, other = optimizer.state_dict(), reference.state_dict()
    assert state["param_groups"] == other["param_groups"]
    for name, value in other["state"][0].items():
        assert torch.equal(state["state"][0][name], value)
    again = ours([torch.zeros(7, 3, requires_grad=True)], **settings)
    again.load_state_dict(state)
    assert again.state_dict()["param_groups"] == state["param_groups"]


def test_adam_follows_its_formula() -> None:
    weight, _ = stepped(partial(Adam, lr=0.1, weight_decay=0.01))
    expected = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()
    mean, square = np.zeros((7, 3)), np.zeros((7, 3))
    for step, gradient in enumerate(gradients().numpy(), start=1):
        total = gradient + 0.01 * expected
        mean, square = 0.9 * mean + 0.1 * total, 0.999 * square + 0.001 * total**2
        corrected = np.sqrt(square / (1 - 0.999**step)) + 1e-8
        expected = expected - 0.1 * mean / (1 - 0.9**step) / corrected
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-12)


def test_sgd_follows_its_formula() -> None:
    weight, _ = stepped(partial(SGD, lr=0.1, momentum=0.9, weight_decay=0.01))
    expected = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()
    velocity = np.zeros((7, 3))
    for gradient in gradients().numpy():
        velocity = 0.9 * velocity + gradient + 0.01 * expected
        expected = expected - 0.1 * velocity
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-12)


def test_a_schedule_sees_the_steps() -> None:
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1], gamma=0.1)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
