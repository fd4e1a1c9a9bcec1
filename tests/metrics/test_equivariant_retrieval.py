from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import special_ortho_group

from care_bench.metrics import equivariant_retrieval


def draw(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def measure(predicted, targets):
    return equivariant_retrieval(torch.from_numpy(predicted), torch.from_numpy(targets))


@pytest.mark.parametrize("at_once", [2**22, 1, 100])
def test_agrees_with_scipy(at_once, monkeypatch):
    monkeypatch.setattr(sys.modules[equivariant_retrieval.__module__], "DISTANCES_AT_ONCE", at_once)
    targets = draw((50, 6), 0) + 7
    predicted = targets + 0.8 * draw((50, 6), 1)
    distances = cdist(predicted, targets)
    ranks = np.array([1 + (row < row[i]).sum() for i, row in enumerate(distances)])
    assert len(set(ranks)) > 5
    found = measure(predicted, targets)
    assert found.reciprocal_rank == pytest.approx((1 / ranks).mean(), rel=1e-12)
    assert found.hit_at_1 == pytest.approx(100 * (ranks == 1).mean(), rel=1e-12)
    assert found.hit_at_5 == pytest.approx(100 * (ranks <= 5).mean(), rel=1e-12)


def test_an_exact_rotation_finds_every_target():
    z, turn = draw((200, 5), 0), special_ortho_group.rvs(5, random_state=1)
    found = measure(z.astype(np.float32) @ turn.T.astype(np.float32), z @ turn.T)
    assert (found.reciprocal_rank, found.hit_at_1, found.hit_at_5) == (1, 100, 100)


def test_unrelated_targets_are_found_by_chance():
    n = 2000
    found = measure(draw((n, 5), 0), draw((n, 5), 1))
    assert found.reciprocal_rank == pytest.approx((1 / np.arange(1, n + 1)).mean(), rel=0.5)
    assert found.hit_at_5 < 2


def test_ties_count_against_a_collapsed_encoder():
    found = measure(np.ones((40, 3)), np.ones((40, 3)))
    assert (found.reciprocal_rank, found.hit_at_1, found.hit_at_5) == (1 / 40, 0, 0)
    pairs = np.repeat(draw((20, 3), 0), 2, axis=0)  # every target twice: the second place
    assert measure(pairs, pairs).reciprocal_rank == 0.5


def test_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"predicted has shape \(3, 3\) and targets \(2, 2\)"):
        equivariant_retrieval(torch.eye(3), torch.eye(2))
