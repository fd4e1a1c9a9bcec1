"""The ratio of gradients that a run records, against finite differences and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from care_bench.training.gradients import gradient_ratio, is_measured


class Added:
    """A method with two terms of a base method and one that it adds."""

    weights = {"a": 1.0, "b": 2.0, "c": 0.5}  # noqa: RUF012
    added: Sequence[str] = ("c",)


def terms(encoder: nn.Linear) -> dict[str, Tensor]:
    w = encoder.weight
    return {"a": w.sum(), "b": (w**2).sum(), "c": (w**3).sum()}


def same(values: Tensor) -> Tensor:
    return values


def ratio(method: Any, encoder: nn.Module, found: dict[str, Tensor]) -> float:
    return gradient_ratio(method, found, encoder, same)["gradient_ratio"].item()  # type: ignore[arg-type]


def test_by_hand() -> None:
    encoder = nn.Linear(2, 1, bias=False)
    encoder.weight.data = torch.tensor([[1.0, -2.0]])
    # the gradient of the added term is 0.5 * 3 w^2 = (1.5, 6), that of the others 1 + 2 * 2 w = (5, -7)
    assert ratio(Added(), encoder, terms(encoder)) == pytest.approx(((1.5**2 + 6**2) / (5**2 + 7**2)) ** 0.5)
    assert encoder.weight.grad is None


def test_the_gradients_of_the_step_are_untouched() -> None:
    encoder = nn.Linear(3, 2)
    found = terms(encoder)
    ratio(Added(), encoder, found)
    (found["a"] + 2 * found["b"] + 0.5 * found["c"]).backward()
    w = encoder.weight.detach()
    assert torch.allclose(encoder.weight.grad, 1 + 4 * w + 1.5 * w**2)  # type: ignore[arg-type]
    assert encoder.bias.grad is None


def test_gradients_are_averaged_over_ranks_before_their_norm_is_taken() -> None:
    """Two ranks whose gradients cancel in one entry: the mean of norms would be another number."""
    encoder = nn.Linear(2, 1, bias=False)
    encoder.weight.data = torch.tensor([[1.0, -2.0]])
    other = iter([torch.tensor([[-1.5, 6.0]]), torch.tensor([[5.0, -7.0]])])
    found = gradient_ratio(Added(), terms(encoder), encoder, lambda mine: (mine + next(other)) / 2)  # type: ignore[arg-type]
    assert found["gradient_ratio"].item() == pytest.approx(6 / (5**2 + 7**2) ** 0.5)


def test_a_method_that_adds_nothing_or_has_nothing_to_add_to() -> None:
    encoder = nn.Linear(2, 1)
    for added in ((), ("a", "b", "c")):
        method = SimpleNamespace(weights=Added.weights, added=added)
        assert gradient_ratio(method, terms(encoder), encoder, same) == {}  # type: ignore[arg-type]


def test_a_few_steps_from_the_first_are_measured() -> None:
    assert [step for step in range(100) if is_measured(step, 100)] == [0, 12, 25, 37, 50, 62, 75, 87]
    assert [step for step in range(3) if is_measured(step, 3)] == [0, 1, 2]
