"""AugSelf: both regressions, computed in numpy from the definition of the released code."""

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

N = 16
HEIGHT, WIDTH = 8, 10
WIDTHS = (0.8, 0.8, 0.8, 0.2)
"""Widths of the ranges of the jitter's factors, of strengths 0.4, 0.4, 0.4, 0.1."""


def crop(one: Any, other: Any) -> Array:
    """Return the difference of centres and sizes of two views, image by image, seen as the first view is flipped."""
    found = []
    for row in range(N):
        numbers = []
        for view in (one, other):
            top, left, height, width = (float(value) for value in view.parameters.box[row])
            across = (left + width / 2) / WIDTH
            across = 1 - across if bool(one.parameters.flip[row]) else across
            numbers.append([(top + height / 2) / HEIGHT, across, height / HEIGHT, width / WIDTH])
        found.append(np.subtract(*numbers))
    return np.array(found)


def colour(one: Any, other: Any) -> Array:
    """Return the difference of the jitter's strengths of two views, image by image."""
    found = []
    for row in range(N):
        numbers = []
        for view in (one, other):
            factors = view.parameters.factors[row].double().numpy() - (1, 1, 1, 0)
            numbers.append(factors / WIDTHS if bool(view.parameters.jitter[row]) else np.zeros(4))
        found.append(np.subtract(*numbers))
    return np.array(found)


def test_both_terms_by_hand(build: Build, linear: Encoder, draw_views: Views, rows_of: Rows, by_numpy: ByNumpy) -> None:
    method = build("augself", linear)
    one, other = views = draw_views(method, N)
    flips = [view.parameters.flip.tolist() for view in views]
    assert flips[0] != flips[1]
    backbone = linear.backbone.weight.detach().double().numpy()
    first, second = (rows_of(view) @ backbone.T for view in views)
    # BatchNorm in the heads sees both orders together.
    seen = np.vstack([np.hstack([first, second]), np.hstack([second, first])])
    terms = method(linear, views)
    assert list(terms) == ["invariance", "uniformity", "crop", "colour"]
    for name, difference in (("crop", crop), ("colour", colour)):
        target = np.vstack([difference(one, other), difference(other, one)])
        predicted = np.tanh(by_numpy(method.get_submodule(f"{name}_head"), seen))
        assert terms[name].item() == pytest.approx(np.mean((predicted - target) ** 2), rel=1e-5)
    assert method.weights == {"invariance": 1.0, "uniformity": 1.0, "crop": 0.4, "colour": 0.6}


def test_the_heads_are_those_of_the_released_code(build: Build, linear: Encoder) -> None:
    """Two hidden layers of 512 with BatchNorm on the features of both views, four numbers, no shared weights."""
    method = build("augself", linear, predictor_hidden=[512, 512])
    for name in ("crop_head", "colour_head"):
        shapes = [tuple(weight.shape) for weight in method.get_submodule(name).parameters() if weight.ndim == 2]
        assert shapes == [(512, 8), (512, 512), (4, 512)]
        assert [type(layer).__name__ for layer in method.get_submodule(name).modules()].count("BatchNorm1d") == 2
    first, second = (method.get_parameter(f"{name}_head.0.weight") for name in ("crop", "colour"))
    assert not (first == second).all()


@pytest.mark.parametrize("base", ["byol", "barlow_twins"])
def test_the_terms_of_the_base_method_are_unchanged(
    base: str, build: Build, linear: Encoder, draw_views: Views
) -> None:
    small = {"byol": {"predictor_hidden": 6, "momentum": 0.9}, "barlow_twins": {"off_diagonal_weight": 0.1}}[base]
    method, alone = build("augself", linear, base={"name": base, **small}), build(base, linear, **small)
    views = draw_views(method, N)
    found, expected = method(linear, views), alone(linear, views)
    assert {name: found[name].item() for name in expected} == {name: term.item() for name, term in expected.items()}
    assert set(found) == {*expected, "crop", "colour"}


def test_the_gradient_goes_to_the_features_and_not_through_the_projection_head(
    build: Build, linear: Encoder, draw_views: Views
) -> None:
    method = build("augself", linear)
    terms = method(linear, draw_views(method, N))
    (terms["crop"] + terms["colour"]).backward()
    assert linear.projector.weight.grad is None
    assert linear.backbone.weight.grad.abs().max() > 0
    heads = [method.get_submodule(name) for name in ("crop_head", "colour_head")]
    assert all(weight.grad is not None for head in heads for weight in head.parameters())
