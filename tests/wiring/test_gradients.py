"""The gradient of every term of every method is that of its value, by finite differences in float64.

A view, a head or a term that is detached where it should not be changes the gradient and not the value. Momentum
encoders and queues are no functions of the trained weights, so no gradient of any method is meant to be cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from care_bench.training.pretrain import make_views
from tests.wiring.conftest import Make, Open
from tests.wiring.test_training_run import CASES

STEP = 1e-6


@pytest.mark.parametrize(
    ("names", "more"),
    [
        *((names, {}) for names in CASES.values()),
        (("moco_v2",), {"symmetric": True}),
        (("care",), {"representation": "features"}),
        (("care",), {"fidelity": "released-code"}),
        (("care",), {"loss": "wahba"}),
    ],
    ids=str,
)
def test_gradients_are_those_of_the_values(
    names: tuple[str, ...],
    more: dict[str, Any],
    run: Make,
    method: Callable[..., dict[str, Any]],
    opened: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = opened(run(method(*names, **more), dataset="digits" if names[0] == "augself" else "proteins"))
    monkeypatch.setattr(Tensor, "float", Tensor.double)  # heads return float32 otherwise
    module = session.module.double()
    views = make_views(session)
    for view in views:
        view.inputs = view.inputs.double()
    weights = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}

    def values() -> dict[str, float]:
        return {name: term.item() for name, term in module.method(module.encoder, views).items()}

    terms = module.method(module.encoder, views)
    gradients = {
        name: torch.autograd.grad(term, list(weights.values()), retain_graph=True, materialize_grads=True)
        for name, term in terms.items()
    }
    draw = torch.Generator().manual_seed(7)
    directions = [torch.randn(weight.shape, dtype=torch.float64, generator=draw) for weight in weights.values()]
    for part in sorted({part_of(name) for name in weights}):
        chosen = [i for i, name in enumerate(weights) if part_of(name) == part]
        ends = []
        for move in (STEP, -2 * STEP):
            with torch.no_grad():
                for i in chosen:
                    list(weights.values())[i].add_(directions[i], alpha=move)
            ends.append(values())
        with torch.no_grad():
            for i in chosen:
                list(weights.values())[i].add_(directions[i], alpha=STEP)
        for name in terms:
            along = sum(float((gradients[name][i] * directions[i]).sum()) for i in chosen)
            expected = (ends[0][name] - ends[1][name]) / (2 * STEP)
            assert along == pytest.approx(expected, rel=1e-4, abs=1e-7), f"{name} along {part}"


def part_of(name: str) -> str:
    """Return the part of a run that a weight belongs to, such as `encoder.projector`."""
    return ".".join(name.split(".")[:2])
