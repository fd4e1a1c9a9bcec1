"""Weighted k nearest neighbours on frozen features.

Protocol knn-v1: cosine similarity, k = 20, votes weighted by exp(similarity / 0.07). The vote and its temperature are
those of Wu et al. (2018, arXiv 1805.01978), whose k is 200; CARE's release has 200 on CIFAR and STL10 and 20 on
ImageNet100.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from care_bench.metrics.checks import directions, embedded, labelled

SIMILARITIES_AT_ONCE = 2**24
"""Entries of the query-by-bank matrix held at a time (64 MiB in float32)."""
NARROW = 1e-3
"""Mean squared distance of unit rows from their mean, below which cosines are computed in float64: float32 rounds them
by 6e-8, and nearly collapsed rows differ by no more than that."""


@dataclass(frozen=True)
class Knn:
    """Accuracy of the vote: ``top1`` in %."""

    top1: float


def knn(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
) -> Knn:
    """Classify the test samples by their neighbours among the train samples and return the accuracy.

    Args:
        train_features: (n, d), the bank.
        train_labels: (n,) int64 in [0, num_classes).
        test_features: (m, d), the queries.
        test_labels: (m,) int64 in [0, num_classes).
        num_classes: number of classes.
        k: neighbours that vote, at most n; 20 in knn-v1.
        temperature: positive; 0.07 in knn-v1.

    Raises:
        ValueError: shapes or labels are not as described, a feature is not finite, a row is zero, k is not in [1, n],
            or the temperature is not positive.
    """
    labelled(test_features, test_labels, num_classes, "test")
    predicted = knn_predict(train_features, train_labels, test_features, num_classes, k, temperature)
    return Knn(top1=100 * (predicted == test_labels).double().mean().item())


@torch.no_grad()
def knn_predict(
    train_features: Tensor, train_labels: Tensor, queries: Tensor, num_classes: int, k: int, temperature: float
) -> Tensor:
    """Return the class with the heaviest vote for each query, (m,) int64; arguments as :func:`knn`."""
    bank = labelled(train_features, train_labels, num_classes, "train")
    queries = embedded(queries, "queries")
    if queries.shape[1] != bank.shape[1]:
        raise ValueError(f"train features have {bank.shape[1]} columns and queries {queries.shape[1]}")
    if not 1 <= k <= len(bank):
        raise ValueError(f"k is {k}; expected 1 to {len(bank)}, the number of train samples")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; expected a positive number")
    rows = directions(bank, "train features")
    if _spread(rows) < NARROW:
        rows, queries = directions(bank.double(), "train features"), queries.double()
    bank, queries = rows, directions(queries, "queries").to(rows.dtype)
    predicted = []
    for block in torch.split(queries, max(1, SIMILARITIES_AT_ONCE // len(bank))):
        similarity, neighbours = (block @ bank.mT).topk(k, dim=1)
        # Votes relative to the nearest neighbour's have the same winner and do not overflow at a low temperature.
        votes = ((similarity - similarity[:, :1]) / temperature).exp()
        scores = votes.new_zeros(len(block), num_classes).scatter_add_(1, train_labels[neighbours], votes)
        predicted.append(scores.argmax(dim=1))
    return torch.cat(predicted)


def _spread(rows: Tensor) -> float:
    """Return the mean squared distance of unit rows from their mean."""
    return 1 - float(rows.double().mean(dim=0).square().sum())
