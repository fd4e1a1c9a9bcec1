"""A whole run of every method agrees with a plain loop: gradients by autograd, updates written out.

The loop shares the views and the terms of a method with the run, and nothing else. So it sees a run that trains in
evaluation mode, with another learning rate, without some weights, with old gradients, or with a momentum encoder or
queue that moves too early.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from care_bench.data import PreparedDataset
from care_bench.methods import Method, View
from care_bench.methods.byol import BYOL
from care_bench.methods.moco_v2 import MoCoV2
from care_bench.models import Encoder
from care_bench.training.pretrain import make_views, pretrain
from tests.trained import TRAINED
from tests.wiring.conftest import Make, Open

CASES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in TRAINED},
    **{f"care-{base}": ("care", base) for base in ("moco_v2", "byol")},
    "equimod-byol": ("equimod", "byol"),
    "augself-byol": ("augself", "byol"),
    "parameter_prediction-byol": ("parameter_prediction", "byol"),
}
RATES = [0.01, 0.02, 0.02, 0.01 * (1 + math.sqrt(0.5)), 0.01, 0.01 * (1 - math.sqrt(0.5))]
"""Rate 0.02: two steps of warm-up, 1/2 and 1, then half a cosine over four steps, at 0, 45, 90 and 135 degrees."""
PASSES = {
    "simclr": 2,
    "moco_v2": 1,
    "byol": 2,
    "barlow_twins": 2,
    "equimod": 1,  # all three views together
    "augself": 2,
    "parameter_prediction": 2,
    "care": 4,
    "invariance": 2,
    "uniformity": 1,
    "equivariance": 2,
    "uniformity_equivariance": 3,
}
"""Method -> passes of the trained backbone in a step, each of which moves the running statistics."""
ADDED = {
    "care": {"equivariance"},
    "uniformity_equivariance": {"equivariance"},
    "equimod": {"equimod"},
    "augself": {"crop", "colour"},
    "parameter_prediction": {"parameter_prediction"},
}
"""Method -> terms that it adds to those of its base."""
KEPT = 0.8
"""Share that a momentum encoder keeps, as in the settings of the methods here."""


@pytest.mark.parametrize("case", CASES)
def test_a_run_is_a_plain_loop(
    case: str,
    run: Make,
    method: Callable[..., dict[str, Any]],
    opened: Open,
    images: PreparedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = run(method(*CASES[case]))
    monkeypatch.setattr("care_bench.training.pretrain.load", lambda *_: images)
    folder = pretrain(config, tmp_path, tmp_path / "run")
    lines = [json.loads(line) for line in folder.log.read_text().splitlines()]

    session = opened(config)
    encoder, objective = session.module.encoder, session.module.method
    session.module.train()
    start = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    weights = [weight for weight in session.module.parameters() if weight.requires_grad]
    for step, rate in enumerate(RATES):
        session.step = step
        views = make_views(session)
        keys = keys_of(objective, views)
        terms = objective(encoder, views)
        loss = sum(objective.weights[name] * term for name, term in terms.items())
        if (added := ADDED.get(CASES[case][0])) is not None:
            expected_ratio = ratio(objective, terms, added, encoder)
            assert lines[step]["gradient_ratio"] == pytest.approx(expected_ratio, rel=1e-2, abs=1e-4)
        else:
            assert "gradient_ratio" not in lines[step]
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= rate * gradient
            follow(objective, encoder, keys, step)
        assert lines[step]["learning_rate"] == pytest.approx(rate, rel=1e-6)
        assert lines[step]["loss"] == pytest.approx(loss.item(), rel=1e-3, abs=1e-5)

    found, expected = load_file(folder.encoder), encoder.state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        moved, apart = (tensor - start[name]).float().norm(), (found[name] - tensor).float().norm()
        assert apart <= 1e-3 * moved + 1e-7, f"{name} moved by {moved:.3g} in the loop and is {apart:.3g} from it"
    if len(CASES[case]) == 1:
        assert found["backbone.layers.1.num_batches_tracked"] == PASSES[case] * len(RATES)
        assert found["backbone.layers.1.running_mean"].abs().max() > 0.01


def ratio(objective: Method, terms: dict[str, Tensor], added: set[str], encoder: Encoder) -> float:
    """Return the norm of the gradient of the added terms over that of the others, in the encoder's weights."""
    norms = []
    for names in (added, terms.keys() - added):
        part = sum(objective.weights[name] * terms[name] for name in names)
        assert isinstance(part, Tensor)
        found = torch.autograd.grad(part, list(encoder.parameters()), retain_graph=True, allow_unused=True)
        norms.append(math.sqrt(sum((gradient**2).sum().item() for gradient in found if gradient is not None)))
    return norms[0] / norms[1]


def keys_of(objective: Method, views: list[View]) -> Tensor | None:
    """Return the keys of a step of MoCo-v2, from its momentum encoder before the step."""
    inner = getattr(objective, "base", objective)
    if not isinstance(inner, MoCoV2):
        return None
    slow = copy.deepcopy(inner.momentum_encoder.encoder)
    return functional.normalize(slow.head(slow.features(views[1].inputs)), dim=1)


def follow(objective: Method, encoder: Encoder, keys: Tensor | None, step: int) -> None:
    """Move momentum encoder and queue after a step, numbered from 0."""
    inner = getattr(objective, "base", objective)
    if not isinstance(inner, MoCoV2 | BYOL):
        return
    kept = KEPT if keys is not None else 1 - (1 - KEPT) * (1 + math.cos(math.pi * step / len(RATES))) / 2
    slow = inner.momentum_encoder.encoder
    for old, new in zip(slow.parameters(), encoder.parameters(), strict=True):
        old.copy_(kept * old + (1 - kept) * new)
    if keys is not None:
        for number, key in enumerate(keys, start=step * len(keys)):
            inner.get_buffer("queue")[number % 32] = key


@pytest.mark.parametrize(
    ("case", "dataset"),
    [
        (case, data)
        for case in CASES
        for data in ("digits", "proteins")
        if (CASES[case][0], data) != ("augself", "proteins")
    ],
)
def test_the_optimizer_has_every_trained_weight_and_no_other(
    case: str, dataset: str, run: Make, method: Callable[..., dict[str, Any]], opened: Open
) -> None:
    session = opened(run(method(*CASES[case]), dataset=dataset))
    trained = {name for name, weight in session.module.named_parameters() if weight.requires_grad}
    names = {id(weight): name for name, weight in session.module.named_parameters()}
    assert {names[id(w)] for group in session.optimizer.param_groups for w in group["params"]} == trained
    frozen = {name for name, _ in session.module.named_parameters()} - trained
    assert all(".momentum_encoder." in name for name in frozen)
    assert any(frozen) == ("moco" in case or "byol" in case)
    own = {name.partition(".")[0] for name in trained}
    assert own == {
        "encoder",
        *(
            ["method"]
            if case.startswith(("byol", "equimod", "augself", "parameter_prediction")) or "byol" in case
            else []
        ),
    }
