"""Recorded numbers of equivariance, computed again: Wahba's error, gamma, cosines, certificates, compositions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.special import logsumexp

from care_bench.augmentations import ImageAugmentation
from tests.wiring.end_to_end.whole_run import (
    BOTH,
    DRAWS,
    EVERY,
    Array,
    Measured,
    assert_same,
    half,
    orthogonal,
    plain,
    rms,
    rotation,
    unit,
)


@EVERY
@BOTH
def test_equivariance(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    n, drawn = len(run.test), run.draw("test augmentations")
    z = unit(run.embed(plain(run, run.test))[representation])
    za = [unit(run.embed(run.views(run.test, drawn, i))[representation]) for i in range(DRAWS)]

    errors = [np.linalg.norm(view - z @ rotation(z, view).T) for view in za]
    assert_same(run.value("wahba-v1", "wahba_error", representation), np.mean(errors))
    assert_same(run.value("wahba-v1", "wahba_error_worst", representation), max(errors))
    assert_same(run.value("wahba-v1", "wahba_error_per_sample", representation), np.mean(errors) / np.sqrt(n))
    apart = [np.linalg.norm(z @ orthogonal_procrustes(z, view)[0] - view) for view in za]
    assert_same(run.value("wahba-v1", "wahba_error_orthogonal", representation), np.mean(apart))

    ratios = []
    for view in za:
        for i, j in combinations(range(n), 2):
            change = ((view[j] - view[i]) ** 2).sum() - ((z[j] - z[i]) ** 2).sum()
            movement = ((view[j] - z[j]) ** 2).sum() + ((view[i] - z[i]) ** 2).sum()
            ratios.append((change / movement) ** 2)
    ordered, cut = np.sort(ratios), int(0.1 * len(ratios))
    assert_same(run.value("relative-equivariance-v1", "gamma", representation), np.mean(ratios), rel=5e-3)
    assert_same(run.value("relative-equivariance-v1", "gamma_median", representation), np.median(ordered), rel=5e-3)
    assert_same(
        run.value("relative-equivariance-v1", "gamma_trimmed", representation), ordered[cut:-cut].mean(), rel=5e-3
    )
    moved = [np.linalg.norm(view - z, axis=1).mean() for view in za]
    assert_same(run.value("relative-equivariance-v1", "invariance", representation), np.mean(moved))

    cosines = [(z * view).sum(axis=1) for view in za]
    assert_same(run.value("cosine-v1", "cosine_mean", representation), np.mean([c.mean() for c in cosines]))
    assert_same(
        run.value("cosine-v1", "cosine_variance", representation), np.mean([c.var(ddof=1) for c in cosines]), rel=1e-3
    )
    assert_same(
        run.value("cosine-v1", "cosine_opposed", representation), np.mean([(c <= -0.5).mean() for c in cosines])
    )

    positive = (za[0] * za[1]).sum(axis=1)  # the third has no partner
    assert_same(run.value("positive-cosine-v1", "positive_cosine_mean", representation), positive.mean())
    for point in ("05", "25", "50", "75", "95"):
        expected = np.percentile(positive, int(point))
        assert_same(run.value("positive-cosine-v1", f"positive_cosine_{point}", representation), expected)

    aligned = np.linalg.norm(za[0] - za[1], axis=1).mean()
    assert_same(run.value("alignment-uniformity-v1", "alignment", representation), aligned)
    pairs = [z[i] @ z[j] for i in range(n) for j in range(n) if i != j]
    assert_same(
        run.value("alignment-uniformity-v1", "uniformity", representation), logsumexp(pairs) - np.log(len(pairs))
    )


@EVERY
@BOTH
def test_certificate(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    drawn = run.draw("test augmentations")
    z = unit(run.embed(plain(run, run.test))[representation])
    za = [unit(run.embed(run.views(run.test, drawn, i))[representation]) for i in range(DRAWS)]
    found = [certified(z, view, half(run)) for view in za]
    spans = run.value("certificate-v1", "certificate_sigma_min", representation).value or 0.0
    for metric in (
        *("certificate_loss", "certificate_bound", "certificate_error", "certificate_held_out_error"),
        *(("certificate_condition", "certificate_printed_bound") if spans else ()),
    ):
        expected = np.mean([one[metric] for one in found])
        assert_same(run.value("certificate-v1", metric, representation), expected, rel=1e-2)
    if not spans:
        assert run.value("certificate-v1", "certificate_printed_bound", representation).value is None
    sigma = np.linalg.svd(z, compute_uv=False)[-1]
    assert spans == pytest.approx(sigma, rel=1e-2, abs=1e-4)
    share = np.mean([100 * (spans > 0 and one["certificate_condition"] <= 1 / np.sqrt(2)) for one in found])
    assert_same(run.value("certificate-v1", "certificate_admissible", representation), share)
    rank = run.value("certificate-v1", "certificate_rank", representation).value
    assert rank is not None
    assert 0 <= rank <= z.shape[1]


def certified(z: Array, view: Array, fitted: Array) -> dict[str, float]:
    """Compute the bounds from Gram matrices of all samples, and the error of the map of a half on the other."""
    n, d = z.shape
    gap = np.linalg.norm(z @ z.T - view @ view.T)
    sigma = np.linalg.svd(z, compute_uv=False)
    v, w = np.linalg.svd(z)[2].T, np.linalg.svd(view)[2].T
    bounds = [2.0 * n]
    for k in range(1, min(n, d) + 1):
        first, second = z @ v[:, :k], view @ w[:, :k]
        inside = np.linalg.norm(first @ first.T - second @ second.T) / max(sigma[k - 1], 1e-12)
        outside = np.linalg.norm(z @ v[:, k:]) ** 2 + np.linalg.norm(view @ w[:, k:]) ** 2
        bounds.append(inside**2 / (2 * (np.sqrt(2) - 1)) + outside)

    pairs = (z @ z.T - view @ view.T)[~np.eye(n, dtype=bool)]
    return {
        "certificate_loss": (pairs**2).mean(),
        "certificate_condition": np.sqrt(gap) / sigma[-1],
        "certificate_printed_bound": (1 + np.sqrt(2)) * gap / sigma[-1] / np.sqrt(n),
        "certificate_bound": np.sqrt(min(bounds) / n),
        "certificate_error": np.linalg.norm(z @ orthogonal(z, view).T - view) / np.sqrt(n),
        "certificate_held_out_error": rms(z[~fitted] @ orthogonal(z[fitted], view[fitted]).T - view[~fitted]),
    }


@EVERY
@BOTH
def test_composition(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    first = run.draw("test augmentations")
    before = after = run.augmentation
    if name == "digits":
        keys = {key: getattr(run.config.augmentation, key) for key in ("crop_scale", "flip_probability", "jitter")}
        before = ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=(0.0,), std=(1.0,), **keys)
    second = run.draw("composed")
    z = unit(run.embed(plain(run, run.test))[representation])
    expected = []
    for i in range(DRAWS):
        once = run.views(run.test, first, i, before).numpy()
        twice = unit(run.embed(run.views(once, second, i, after))[representation])
        moved = unit(run.embed(run.views(run.test, first, i))[representation])
        apart = rotation(z, twice) - rotation(moved, twice) @ rotation(z, moved)
        expected.append(np.sqrt(((z @ apart.T) ** 2).sum(axis=1).mean()))
    assert_same(run.value("composition-v1", "composition_error", representation), np.mean(expected), rel=2e-3)
