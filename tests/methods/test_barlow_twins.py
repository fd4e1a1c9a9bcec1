"""Barlow Twins: both terms, computed in numpy from outputs that are not normalised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from care_bench.methods import Method, View
from care_bench.models import Encoder
from care_bench.training.session import weighted_sum


def test_both_terms_by_hand(
    build: Callable[..., Method],
    linear: Encoder,
    draw_views: Callable[..., list[View]],
    rows_of: Callable[[View], np.ndarray[Any, Any]],
) -> None:
    method = build("barlow_twins", linear, off_diagonal_weight=0.0051)
    views = draw_views(method, 16)
    backbone, head = (layer.weight.detach().double().numpy() for layer in (linear.backbone, linear.projector))
    first, second = (rows_of(view) @ backbone.T @ head.T for view in views)
    # BatchNorm adds 1e-5 to the variance.
    first, second = ((z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5) for z in (first, second))
    on, off = 0.0, 0.0
    for i in range(3):
        for j in range(3):
            correlation = np.mean(first[:, i] * second[:, j])
            on += (1 - correlation) ** 2 if i == j else 0
            off += correlation**2 if i != j else 0
    terms = method(linear, views)
    assert {name: term.item() for name, term in terms.items()} == {
        "on_diagonal": pytest.approx(on, rel=1e-5),
        "off_diagonal": pytest.approx(off, rel=1e-4),
    }
    assert weighted_sum(terms, method.weights).item() == pytest.approx(on + 0.0051 * off, rel=1e-5)
