"""Where BatchNorm sees parts of a batch, the samples of CARE's own views are shuffled over them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from care_bench.methods import Method, View
from care_bench.models import Encoder, group_batchnorm

Array = np.ndarray[Any, Any]


def pair_loss(first: Array, second: Array, size: int) -> float:
    """Return the mean of (f_i.f_j - f'_i.f'_j)^2 over the pairs i != j of every chunk."""
    chunks = [slice(start, start + size) for start in range(0, len(first), size)]
    squares = [(first[rows] @ first[rows].T - second[rows] @ second[rows].T) ** 2 for rows in chunks]
    return float(np.mean([square[~np.eye(size, dtype=bool)].mean() for square in squares]))


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("equivariance", {"sharing": "chunk"}, (0, 1)),
        ("uniformity_equivariance", {"sharing": "chunk"}, (1, 2)),
        ("care", {"sharing": "chunk"}, (2, 3)),
        ("care", {"sharing": "chunk", "base": {"name": "moco_v2", "queue": 32}}, (1, 2, 3)),
        # every part has the batch's one draw
        ("equivariance", {"sharing": "batch"}, ()),
        ("care", {"sharing": "batch", "base": {"name": "moco_v2", "queue": 32}}, (1,)),
    ],
)
def test_views_that_are_shuffled(
    name: str, more: dict[str, Any], expected: tuple[int, ...], build: Callable[..., Method]
) -> None:
    assert tuple(build(name, **more).shuffled) == expected


@pytest.mark.parametrize("representation", ["projection", "features"])
def test_a_part_of_batchnorm_has_rows_of_several_chunks_by_hand(
    representation: str,
    build: Callable[..., Method],
    draw_views: Callable[..., list[View]],
    rows_of: Callable[[View], Array],
    by_numpy: Callable[[nn.Module, Array], Array],
    unit: Callable[[Array], Array],
) -> None:
    """Three chunks of four rows, and three parts: the parts are of the shuffled view, the chunks of the batch."""
    torch.manual_seed(3)
    plain = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    encoder = Encoder(group_batchnorm(copy.deepcopy(plain), 3, "mean"), nn.Identity(), 3, 3).train()
    method = build("equivariance", encoder, splits=3, fidelity="paper", sharing="chunk", representation=representation)
    views = draw_views(method, 12)
    orders = [torch.randperm(12, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    dealt = [View(view.inputs[order], view.parameters, order) for view, order in zip(views, orders, strict=True)]

    def embedded(view: View, order: Array) -> Array:
        parts = [by_numpy(plain, part) for part in np.split(rows_of(view)[order], 3)]
        return unit(np.concatenate(parts)[np.argsort(order)])

    expected = pair_loss(*(embedded(*each) for each in zip(views, map(np.asarray, orders), strict=True)), 4)
    assert method(encoder, dealt)["equivariance"].item() == pytest.approx(expected, rel=1e-4)
    unshuffled = pair_loss(*(embedded(view, np.arange(12)) for view in views), 4)
    assert unshuffled != pytest.approx(expected, rel=1e-2)
