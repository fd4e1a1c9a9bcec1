"""The linear probes against the plain ways of training their classifiers, on one CPU thread, in processor time.

``cached-v1`` against scikit-learn's LogisticRegression on features standardised by hand; an epoch of ``paper-small-v1``
on wide features, three seeds, against a torch.nn.Linear for each seed.
"""

from __future__ import annotations

import time
from dataclasses import replace
from unittest.mock import patch

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from benchmarks.timing import Row, overhead, speedup
from care_bench.metrics.linear_probe import BATCHED_UP_TO, RECIPES, fit_cached, train_classifiers

CLASSES, SEEDS = 10, (0, 1, 2)
CACHED = (4000, 256)
WIDE = (10_000, 2048)


def measure() -> list[Row]:
    """Time both.

    Raises:
        RuntimeError: the classifiers differ from those of the reference.
    """
    return [_cached(), _wide()]


def _samples(n: int, d: int) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (n,), generator=draws)
    centres = torch.randn(CLASSES, d, generator=draws) / d**0.5
    return 2 * centres[labels] + torch.randn(n, d, generator=draws), labels


def _cached() -> Row:
    x, y = _samples(*CACHED)
    held = x.double().numpy()

    def plain() -> LogisticRegression:
        standard = (held - held.mean(axis=0)) / held.std(axis=0)
        return LogisticRegression(max_iter=5000).fit(standard, y.numpy())

    apart = abs(fit_cached(x, y)[-1].coef_ - plain().coef_).max()
    if not apart < 1e-6:
        raise RuntimeError(f"the weights of the cached probe differ by {apart:.2e}")
    name = f"cached linear probe, {CACHED[0]} x {CACHED[1]}, {CLASSES} classes, against scikit-learn's alone"
    return overhead(name, lambda: fit_cached(x, y), plain, at_most=1.25, pairs=5, clock=time.process_time)


def _wide() -> Row:
    x, y = _samples(*WIDE)
    assert x.numel() > BATCHED_UP_TO

    def plain() -> Tensor:
        return torch.stack([_module(x, y, seed) for seed in SEEDS])

    with patch.dict(RECIPES, {"one epoch": replace(RECIPES["paper-small-v1"], epochs=1)}):

        def ours() -> Tensor:
            return train_classifiers(x, y, CLASSES, SEEDS, "one epoch")[0].mT

        if not torch.allclose(ours(), plain(), atol=1e-5):
            raise RuntimeError(f"the weights of the probe differ by {(ours() - plain()).abs().max().item():.2e}")
        name = f"an epoch of paper-small-v1, {WIDE[0]} x {WIDE[1]}, {len(SEEDS)} seeds, against a module for each"
        return speedup(name, ours, plain, at_least=1.2, pairs=5, clock=time.process_time)


def _module(x: Tensor, y: Tensor, seed: int) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = nn.Linear(x.shape[1], CLASSES)
        optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3, weight_decay=1e-6)
        for rows in torch.randperm(len(x)).split(512):
            optimizer.zero_grad()
            nn.functional.cross_entropy(layer(x[rows]), y[rows]).backward()
            optimizer.step()
    return layer.weight.detach()


if __name__ == "__main__":
    for row in measure():
        print(f"{row.name}: {row.ratio:.2f}, {row.target}: {'met' if row.met else 'NOT met'}")
