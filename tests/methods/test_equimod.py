"""EquiMod: both terms in numpy, with BatchNorm over all three views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from care_bench.augmentations import RandomRotation3D
from care_bench.config.run import AdamConfig
from care_bench.methods import Method, View
from care_bench.models import Encoder
from care_bench.training.optimiser import build_optimizer
from care_bench.training.session import Pretraining

Array = np.ndarray[Any, Any]
Build = Callable[..., Method]
Views = Callable[..., list[View]]
Rows = Callable[[View], Array]
Unit = Callable[[Array], Array]
ByNumpy = Callable[[nn.Module, Array], Array]


@pytest.fixture
def encoder() -> Encoder:
    """An encoder whose backbone ends in BatchNorm, which counts the passes through it."""
    torch.manual_seed(4)
    return Encoder(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)), nn.Linear(4, 3), 4, 3)


def fix(predictor: nn.Module) -> None:
    """Set weights of the predictor such that the rotation matters as much as the embedding."""
    with torch.no_grad():
        weight = predictor[0].weight
        weight.copy_(torch.linspace(-1, 1, weight.numel()).reshape(weight.shape).cos())


def standardised(method: Method, view: View) -> Array:
    vector = method.get_submodule("vector")
    drawn = view.parameters.matrix.double().numpy().reshape(-1, 9)
    return (drawn - vector.mean.double().numpy()) * vector.scale.double().numpy()


def test_terms_by_hand(
    build: Build,
    encoder: Encoder,
    draw_views: Views,
    rows_of: Rows,
    unit: Unit,
    by_numpy: ByNumpy,
    nt_xent: Callable[[Sequence[Array], float], float],
) -> None:
    method = build("equimod", encoder, temperature=0.3)
    predictor = method.get_submodule("predictor")
    fix(predictor)
    views = draw_views(method, 8)
    features = by_numpy(encoder.backbone, np.concatenate([rows_of(view) for view in views]))
    start, first, second = np.split(by_numpy(method.get_submodule("projector"), features), 3)
    vectors = np.concatenate([standardised(method, view) for view in views[1:]])
    moves = by_numpy(method.get_submodule("parameter_head"), vectors)
    moved = np.hstack([np.concatenate([start, start]), moves])
    predicted, actual = by_numpy(predictor, moved), np.concatenate([first, second])
    _, *augmented = np.split(by_numpy(encoder.projector, features), 3)
    first, second = (unit(rows) for rows in augmented)

    terms = method(encoder, views)
    assert list(terms) == ["invariance", "uniformity", "equimod"]
    assert terms["equimod"].item() == pytest.approx(nt_xent([unit(predicted), unit(actual)], 0.3), rel=1e-4)
    base = terms["invariance"] + terms["uniformity"]
    assert base.item() == pytest.approx(nt_xent([first, second], 0.2), rel=1e-4)
    assert method.weights == {"invariance": 1.0, "uniformity": 1.0, "equimod": 0.5}


def test_the_encoder_sees_the_three_views_in_one_pass(build: Build, encoder: Encoder, draw_views: Views) -> None:
    method, care = build("equimod", encoder), build("care", encoder)
    method(encoder, draw_views(method, 8))
    assert encoder.backbone[1].num_batches_tracked == 1
    care(encoder, draw_views(care, 8))
    assert encoder.backbone[1].num_batches_tracked == 5, "CARE encodes its four views in four passes"


def test_the_base_method_sees_only_the_augmented_views(build: Build, linear: Encoder, draw_views: Views) -> None:
    """Without BatchNorm the views are independent, so the base method returns the same term as alone."""
    method = build("equimod", linear, base={"name": "byol", "predictor_hidden": 6, "momentum": 0.5})
    alone = build("byol", linear, momentum=0.5)
    views = draw_views(method, 8)
    expected = alone(linear, views[1:])["byol"].item()
    assert method(linear, views)["byol"].item() == pytest.approx(expected, rel=1e-6)


def test_the_prediction_depends_on_the_augmentation(build: Build, linear: Encoder, draw_views: Views) -> None:
    method = build("equimod", linear)
    views = draw_views(method, 8)
    terms = method(linear, views)
    views[1].parameters = RandomRotation3D().sample(8, torch.Generator().manual_seed(9))
    changed = method(linear, views)
    assert changed["equimod"].item() != pytest.approx(terms["equimod"].item(), rel=1e-3)
    assert changed["invariance"].item() == terms["invariance"].item()


def test_projector_and_predictor_are_trained(build: Build, linear: Encoder, draw_views: Views) -> None:
    method = build("equimod", linear)
    module = Pretraining(linear, method)
    optimizer = build_optimizer(AdamConfig(name="adam"), module)
    optimized = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert optimized == {id(weight) for weight in module.parameters()}
    loss, *_ = module(draw_views(method, 8))
    loss.backward()
    assert all(weight.grad is not None for weight in module.parameters())
