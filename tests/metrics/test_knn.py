from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from care_bench.metrics import knn, knn_predict


def draw(n, d, classes, seed):
    generator = np.random.default_rng(seed)
    return torch.from_numpy(generator.standard_normal((n, d))), torch.from_numpy(generator.integers(classes, size=n))


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (20, 0.07), (7, 0.5)])
def test_agrees_with_scikit_learn(k, temperature):
    bank, labels = draw(300, 5, 4, 0)
    queries, query_labels = draw(200, 5, 4, 1)
    peer = KNeighborsClassifier(
        k, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / temperature)
    ).fit(bank.numpy(), labels.numpy())
    predicted = knn_predict(bank, labels, queries, 4, k, temperature)
    assert predicted.tolist() == peer.predict(queries.numpy()).tolist()
    accuracy = 100 * peer.score(queries.numpy(), query_labels.numpy())
    assert knn(bank, labels, queries, query_labels, 4, k, temperature).top1 == pytest.approx(accuracy, abs=1e-9)


def test_the_defaults_are_twenty_neighbours_at_temperature_007():
    bank, labels = draw(300, 5, 4, 0)
    queries, query_labels = draw(200, 5, 4, 1)
    peer = KNeighborsClassifier(20, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.07))
    accuracy = 100 * peer.fit(bank.numpy(), labels.numpy()).score(queries.numpy(), query_labels.numpy())
    assert knn(bank, labels, queries, query_labels, 4).top1 == pytest.approx(accuracy, abs=1e-9)


def test_one_near_neighbour_outweighs_two_far_ones():
    angles = torch.tensor([0.1, 1.0, -1.0])
    bank = torch.stack([angles.cos(), angles.sin()], dim=1)
    labels, query = torch.tensor([1, 0, 0]), torch.tensor([[2.0, 0.0]])
    # exp(cos(0.1) / T) against 2 exp(cos(1) / T): the near one wins below T = (cos 0.1 - cos 1) / log 2 = 0.656.
    assert knn_predict(bank, labels, query, 2, 3, 0.6).tolist() == [1]
    assert knn_predict(bank, labels, query, 2, 3, 0.7).tolist() == [0]
    assert (math.cos(0.1) - math.cos(1)) / math.log(2) == pytest.approx(0.656, abs=1e-3)


@pytest.mark.parametrize("spread", [1e-2, 1e-3, 1e-4, 1e-5])
def test_nearly_equal_embeddings_are_told_apart(spread):
    """Unit rows in float32 around a common direction: their classes are found as in float64, by numpy."""
    generator = np.random.default_rng(0)
    labels = np.arange(240) % 4
    classes, common = generator.standard_normal((4, 8)), np.full(8, 2.0)
    rows = (common + spread * (classes[labels] + 0.3 * generator.standard_normal((240, 8)))).astype(np.float32)
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    # 1 - cos is half the squared distance, which does not cancel.
    apart = ((exact[160:, None] - exact[None, :160]) ** 2).sum(axis=2)
    nearest = np.argsort(apart, axis=1)[:, :20]
    votes = np.exp(-np.take_along_axis(apart, nearest, axis=1) / 2 / 0.07)
    expected = [np.bincount(labels[place], vote, 4).argmax() for place, vote in zip(nearest, votes, strict=True)]
    bank, queries = torch.from_numpy(rows[:160]), torch.from_numpy(rows[160:])
    found = knn_predict(bank, torch.from_numpy(labels[:160]), queries, 4, 20, 0.07)
    assert (np.array(expected) == labels[160:]).mean() > 0.8
    assert (found.numpy() == expected).mean() >= (1 if spread > 1e-5 else 0.95)


def test_no_overflow_at_a_low_temperature():
    bank, labels = draw(50, 5, 3, 0)
    queries, _ = draw(40, 5, 3, 1)
    nearest = (queries / queries.norm(dim=1, keepdim=True) @ (bank / bank.norm(dim=1, keepdim=True)).T).argmax(dim=1)
    predicted = knn_predict(bank.float(), labels, queries.float(), 3, 20, 1e-4)
    assert predicted.tolist() == labels[nearest].tolist()


def test_blocks_of_queries_do_not_change_the_result(monkeypatch):
    bank, labels = draw(300, 5, 4, 0)
    queries, _ = draw(200, 5, 4, 1)
    whole = knn_predict(bank, labels, queries, 4, 20, 0.07)
    monkeypatch.setitem(knn_predict.__wrapped__.__globals__, "SIMILARITIES_AT_ONCE", 300 * 7)
    assert knn_predict(bank, labels, queries, 4, 20, 0.07).tolist() == whole.tolist()


@pytest.mark.parametrize("k", [0, 5])
def test_refuses_more_neighbours_than_samples(k):
    labels = torch.tensor([0, 1, 0, 1])
    with pytest.raises(ValueError, match=f"k is {k}; expected 1 to 4"):
        knn(torch.eye(4), labels, torch.eye(4), labels, 2, k=k)


def test_refuses():
    z, labels = torch.eye(4), torch.tensor([0, 1, 0, 1])
    with pytest.raises(ValueError, match="temperature is 0; expected"):
        knn(z, labels, z, labels, 2, k=2, temperature=0)
    with pytest.raises(ValueError, match="queries: 1 of 4 are zero, which has no direction"):
        knn(z, labels, z.diff(dim=0, append=z[-1:]), labels, 2, k=2)
    with pytest.raises(ValueError, match="train features have 4 columns and queries 3"):
        knn(z, labels, z[:, :3], labels, 2, k=2)
    with pytest.raises(ValueError, match=r"train labels run from 0 to 1; expected them in \[0, 1\)"):
        knn(z, labels, z, labels * 0, 1, k=2)
