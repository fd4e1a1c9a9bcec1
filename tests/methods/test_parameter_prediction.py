"""Parameter prediction: the regression loss on the difference of augmentation parameters, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

from care_bench.methods import Method, View
from care_bench.models import Encoder

Array = np.ndarray[Any, Any]
Build = Callable[..., Method]
Views = Callable[..., list[View]]
Rows = Callable[[View], Array]
ByNumpy = Callable[[nn.Module, Array], Array]


def difference(views: list[View], scale: Array) -> Array:
    """Return the standardised difference of the rotations of two views; the means cancel."""
    first, second = (view.parameters.matrix.double().numpy().reshape(-1, 9) for view in views)
    return (first - second) * scale


def test_the_term_by_hand(build: Build, linear: Encoder, draw_views: Views, rows_of: Rows, by_numpy: ByNumpy) -> None:
    method = build("parameter_prediction", linear)
    views = draw_views(method, 8)
    backbone = linear.backbone.weight.detach().double().numpy()
    features = np.hstack([rows_of(view) @ backbone.T for view in views])
    predicted = by_numpy(method.get_submodule("predictor"), features)
    scale = method.get_buffer("vector.scale").double().numpy()
    expected = np.mean((predicted - difference(views, scale)) ** 2)
    terms = method(linear, views)
    assert list(terms) == ["invariance", "uniformity", "parameter_prediction"]
    assert terms["parameter_prediction"].item() == pytest.approx(expected, rel=1e-5)
    assert method.weights == {"invariance": 1.0, "uniformity": 1.0, "parameter_prediction": 0.4}


@pytest.mark.parametrize("base", ["simclr", "byol", "barlow_twins", "invariance"])
def test_the_terms_of_the_base_method_are_unchanged(
    base: str, build: Build, linear: Encoder, draw_views: Views
) -> None:
    method, alone = build("parameter_prediction", linear, base={"name": base}), build(base, linear, **defaults(base))
    views = draw_views(method, 8)
    found, expected = method(linear, views), alone(linear, views)
    assert {name: found[name].item() for name in expected} == {name: term.item() for name, term in expected.items()}
    assert set(found) == {*expected, "parameter_prediction"}


def defaults(base: str) -> dict[str, Any]:
    """Return the default settings that a base method has inside a wrapper."""
    return {
        "simclr": {"temperature": 0.5},
        "byol": {"predictor_hidden": 4096, "momentum": 0.996},
        "barlow_twins": {"off_diagonal_weight": 0.0051},
    }.get(base, {})


def test_the_gradient_goes_to_the_features_and_not_through_the_projection_head(
    build: Build, linear: Encoder, draw_views: Views
) -> None:
    method = build("parameter_prediction", linear)
    method(linear, draw_views(method, 8))["parameter_prediction"].backward()
    assert linear.projector.weight.grad is None
    assert linear.backbone.weight.grad.abs().max() > 0
    assert all(weight.grad is not None for weight in method.get_submodule("predictor").parameters())
