from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from care_bench.metrics import factor_distance, retrieval


def draw(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def nearest(bank, queries):
    """Return neighbours by scikit-learn in float64, which does not expand the square."""
    peer = NearestNeighbors(n_neighbors=5, algorithm="kd_tree").fit(bank.astype(np.float64))
    return peer.kneighbors(queries.astype(np.float64), return_distance=False)


def shares(bank, z, za):
    """Return the shared neighbours in %, by sets."""
    plain = nearest(bank, z)
    counts = [[len(set(a) & set(b)) for a, b in zip(plain, nearest(bank, view), strict=True)] for view in za]
    return 20 * np.mean(counts, axis=1)


def test_agrees_with_scikit_learn():
    bank, z = draw((200, 4), 0), draw((60, 4), 1)
    za = z + 0.5 * draw((3, 60, 4), 2)
    result = retrieval(*map(torch.from_numpy, (bank, z, za)))
    assert result.neighbours.tolist() == nearest(bank, z).tolist()
    expected = shares(bank, z, za)
    assert 10 < expected.min() < expected.max() < 90
    assert result.overlap.numpy() == pytest.approx(expected, rel=1e-12)


def test_every_shared_neighbour_of_five_is_twenty_percent():
    bank = torch.tensor([-5.0, -4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0, 5.0])[:, None]
    z, za = torch.tensor([[-3.0]]), torch.tensor([[[-3.1]], [[3.0]], [[0.9]]])
    # The plain sample has the five negative neighbours; 0.9 has 1, 2, -1, 3, -2, at 0.1 to 2.9, and shares two.
    assert retrieval(bank, z, za).overlap.tolist() == [100, 0, 40]
    assert sorted(retrieval(bank, z, za).neighbours[0].tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("at_once", [1, 200 * 7])
def test_blocks_of_queries_do_not_change_the_result(at_once, monkeypatch):
    arrays = [torch.from_numpy(draw(shape, seed)) for seed, shape in enumerate(((200, 4), (60, 4), (2, 60, 4)))]
    tints = [torch.from_numpy(draw((n, 3), n)) for n in (60, 200)]
    whole = retrieval(*arrays)
    distance = factor_distance(whole.neighbours, *tints)
    monkeypatch.setitem(retrieval.__wrapped__.__globals__, "DISTANCES_AT_ONCE", at_once)
    parts = retrieval(*arrays)
    assert parts.neighbours.tolist() == whole.neighbours.tolist()
    assert parts.overlap.tolist() == whole.overlap.tolist()
    assert factor_distance(parts.neighbours, *tints) == pytest.approx(distance, rel=1e-12)


def test_accurate_far_from_the_origin():
    """In float32, squares of about 1e8 are rounded to 8, which is more than the distances of these features."""
    bank, z = (1e4 + draw(shape, seed).astype(np.float32) for seed, shape in enumerate(((300, 3), (80, 3))))
    result = retrieval(torch.from_numpy(bank), torch.from_numpy(z), torch.from_numpy(z))
    same = np.mean([set(a) == set(b) for a, b in zip(result.neighbours.tolist(), nearest(bank, z), strict=True)])
    assert same == 1


def test_factor_distance_agrees_with_a_loop():
    tints, bank = draw((7, 3), 0), draw((30, 3), 1)
    neighbours = np.random.default_rng(2).integers(30, size=(7, 5))
    near = [np.linalg.norm(tints[i] - bank[j]) for i in range(7) for j in neighbours[i]]
    every = [np.linalg.norm(t - b) for t in tints for b in bank]
    found = factor_distance(*map(torch.from_numpy, (neighbours, tints, bank)))
    assert found == pytest.approx(np.mean(near) / np.mean(every), rel=1e-12)


def test_factor_distance_of_perfect_and_of_random_neighbours():
    bank = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    queries = torch.tensor([[0.0], [1.0]])
    # The mean distance of the four samples of the bank from either query is 1/2.
    assert factor_distance(torch.tensor([[0, 1], [2, 3]]), queries, bank) == 0
    assert factor_distance(torch.tensor([[0, 2], [1, 3]]), queries, bank) == 1
    assert factor_distance(torch.tensor([[2, 3], [0, 1]]), queries, bank) == 2


def test_single_precision_labels():
    bank, queries = draw((30, 3), 1).astype(np.float32), draw((7, 3), 0).astype(np.float32)
    neighbours = torch.arange(35).view(7, 5) % 30
    double = factor_distance(neighbours, torch.from_numpy(queries).double(), torch.from_numpy(bank).double())
    assert factor_distance(neighbours, torch.from_numpy(queries), torch.from_numpy(bank)) == double


def test_refuses():
    bank, z = torch.eye(6), torch.eye(6)[:2]
    with pytest.raises(ValueError, match=r"bank has shape \(4, 6\); expected \(n, d\) with n >= 5"):
        retrieval(bank[:4], z, z)
    with pytest.raises(ValueError, match="z has 5 columns and the bank 6"):
        retrieval(bank, z[:, :5], z[:, :5])
    with pytest.raises(ValueError, match=r"za has shape \(1, 6\)"):
        retrieval(bank, z, z[:1])
    with pytest.raises(ValueError, match="bank holds 36 of 36 values that are not finite"):
        retrieval(bank * torch.nan, z, z)
    neighbours = torch.zeros(2, 5, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"factors have shape \(2, 5\); expected \(2, 6\), one row per query"):
        factor_distance(neighbours, z[:, :5], bank)
    with pytest.raises(ValueError, match="all 8 samples share one factor"):
        factor_distance(neighbours, torch.ones(2, 1), torch.ones(6, 1))
