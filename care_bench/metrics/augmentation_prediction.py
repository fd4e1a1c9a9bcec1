"""Augmentation prediction: how much of a draw's parameters a ridge regression reads from (f(x), f(a(x)))."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from care_bench.metrics.checks import embedded
from care_bench.metrics.gram import gram

PENALTIES = tuple(10.0**power for power in range(-4, 6))
"""Candidate ridge penalties on standardised features, relative to the mean of n samples."""
VALIDATION = 5
"""Every fifth training sample chooses the penalty."""
ROUNDING = 1e-6
"""Standard deviation of a factor, relative to its size, below which it never varies."""
LEAST_DRAWS = 20
"""Fewest draws of a factor, in each split, that are enough for a regression."""


@dataclass(frozen=True)
class Predicted:
    """Test errors of the regressions of one factor.

    Attributes:
        r2: 1 - residual / variance over the test draws; 1 is perfect, 0 the constant guess of the test mean.
        variance: of the factor over the test draws.
        n: test draws in which the factor acts.
    """

    r2: float
    variance: float
    n: int


@torch.no_grad()
def augmentation_prediction(
    features: Tensor, factors: Tensor, acts: Tensor, test_features: Tensor, test_factors: Tensor, test_acts: Tensor
) -> tuple[Predicted | str, ...]:
    """Fit ridge regressions of factors that act in the same draws, and test them, in float64.

    Features are standardised by the fitted samples. Every fifth training sample is left out and chooses the penalty of
    each factor among ten powers of ten; the regression is then fitted to all training samples.

    Args:
        features: (n, p) of the training samples, such as f(x) and f(a(x)) beside each other.
        factors: (n, k) floating point, what to predict.
        acts: (n,) bool, the draws in which the factors change the input; others say nothing and are left out.
        test_features: (m, p).
        test_factors: (m, k).
        test_acts: (m,) bool.

    Returns:
        For each factor its prediction, or a sentence that says why there is none: it acts too rarely or never varies.

    Raises:
        ValueError: shapes do not match or a value is not finite.
    """
    x, y = _rows(features, factors, acts, "train")
    test_x, test_y = _rows(test_features, test_factors, test_acts, "test")
    if x.shape[1] != test_x.shape[1] or y.shape[1] != test_y.shape[1]:
        found = f"train has {x.shape[1]} features, {y.shape[1]} factors; test {test_x.shape[1]}, {test_y.shape[1]}"
        raise ValueError(f"{found}; expected as many")
    fewest = min(len(x), len(test_x))
    if fewest < LEAST_DRAWS:
        return (f"it acts in {fewest} draws of a split; expected at least {LEAST_DRAWS}",) * y.shape[1]
    held = torch.arange(len(x), device=x.device) % VALIDATION == 0
    penalties = torch.tensor(PENALTIES)
    best = (_ridge(x[~held], y[~held], x[held], penalties.to(x)) - y[held]).square().mean(dim=1).argmin(dim=0).tolist()
    # Without those that no factor has chosen.
    chosen = sorted(set(best))
    every = _ridge(x, y, test_x, penalties[chosen].to(x))
    predicted = torch.stack([every[chosen.index(one), :, factor] for factor, one in enumerate(best)], dim=1)
    residual = (predicted - test_y).square().sum(dim=0)
    spread = (test_y - test_y.mean(dim=0)).square().sum(dim=0)
    constant = (y.std(dim=0) <= ROUNDING * y.abs().amax(dim=0)) | (spread == 0)
    r2, variances = torch.stack([1 - residual / spread, spread / len(test_y)]).tolist()
    return tuple(
        "it is the same in all draws" if same else Predicted(value, variance, len(test_y))
        for value, variance, same in zip(r2, variances, constant.tolist(), strict=True)
    )


def _rows(features: Tensor, factors: Tensor, acts: Tensor, name: str) -> tuple[Tensor, Tensor]:
    features, factors = embedded(features, f"{name} features"), embedded(factors, f"{name} factors")
    if len(factors) != len(features) or acts.shape != features.shape[:1]:
        shapes = f"{tuple(factors.shape)} and {tuple(acts.shape)}"
        raise ValueError(f"{name} factors and acts have shapes {shapes}; expected {len(features)} rows")
    acts = acts.to(features.device)
    return features[acts].double(), factors.to(features.device)[acts].double()


def _ridge(x: Tensor, y: Tensor, test_x: Tensor, penalties: Tensor) -> Tensor:
    """Return the predictions (penalties, m, k) for some penalties, each from the smaller Gram matrix's Cholesky factor.

    Ten factors of a large matrix take less time than its eigenvectors.
    """
    mean, std, centre = x.mean(dim=0), x.std(dim=0, correction=0), y.mean(dim=0)
    std = torch.where(std > 0, std, 1.0)
    x, test_x, y = (x - mean) / std, (test_x - mean) / std, y - centre
    of_samples = x.shape[1] > len(x)
    products, right = (gram(x.mT), y) if of_samples else (gram(x), x.mT @ y)
    weights = []
    for penalty in len(x) * penalties:
        penalised = products.clone()
        penalised.diagonal().add_(penalty)
        factor, _ = torch.linalg.cholesky_ex(penalised)
        solved = torch.cholesky_solve(right, factor)
        weights.append(x.mT @ solved if of_samples else solved)
    return test_x @ torch.stack(weights) + centre
