from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group, trim_mean

from care_bench.metrics import relative_equivariance, relative_equivariance_summary


def all_ratios(z, za):
    """Return every ratio in the order (augmentation, i, j), nan for 0 / 0, by a loop in extended precision."""
    z, za = z.astype(np.longdouble), za.astype(np.longdouble)

    def squared(v):
        return (v * v).sum()

    ratios = []
    for view in za:
        for i, j in combinations(range(len(z)), 2):
            change = squared(view[j] - view[i]) - squared(z[j] - z[i])
            movement = squared(view[j] - z[j]) + squared(view[i] - z[i])
            ratios.append((change / movement) ** 2 if movement > 0 else np.nan)
    return np.array(ratios, dtype=float)


def draw(n, d, augmentations, seed, size=0.5):
    generator = np.random.default_rng(seed)
    z = generator.standard_normal((n, d))
    return z, z + size * generator.standard_normal((augmentations, n, d))


def measure(z, za):
    return relative_equivariance_summary(torch.from_numpy(z), torch.from_numpy(za))


@pytest.mark.parametrize("gram_from", [1024, 1])
@pytest.mark.parametrize("rows_at_once", [1, 30, 10**6])
def test_agrees_with_a_loop_over_pairs(rows_at_once, gram_from, monkeypatch):
    monkeypatch.setitem(relative_equivariance.__globals__, "RATIOS_AT_ONCE", rows_at_once)
    monkeypatch.setitem(relative_equivariance.__globals__, "GRAM_FROM", gram_from)
    z, za = draw(11, 4, 3, 0)
    expected = all_ratios(z, za)
    summary = measure(z, za)
    assert relative_equivariance(torch.from_numpy(z), torch.from_numpy(za)) == pytest.approx(expected.mean(), rel=1e-12)
    assert summary.mean == pytest.approx(expected.mean(), rel=1e-12)
    assert summary.median == pytest.approx(np.median(expected), rel=1e-12)
    assert summary.trimmed_mean == pytest.approx(trim_mean(expected, 0.1), rel=1e-12)
    assert summary.invariance == pytest.approx(np.linalg.norm(za - z, axis=2).mean(), rel=1e-12)


@pytest.mark.parametrize("kept", [10, 100, 164, 165])
def test_median_and_trimmed_mean_of_a_sample_of_the_pairs(kept, monkeypatch):
    monkeypatch.setitem(relative_equivariance.__globals__, "RATIOS_KEPT", kept)
    monkeypatch.setitem(relative_equivariance.__globals__, "RATIOS_AT_ONCE", 30)
    z, za = draw(11, 4, 3, 0)
    everything = all_ratios(z, za)
    assert len(everything) == 165
    sample = everything[:: math.ceil(165 / kept)]
    summary = measure(z, za)
    assert summary.mean == pytest.approx(everything.mean(), rel=1e-12)
    assert summary.median == pytest.approx(np.median(sample), rel=1e-12)
    assert summary.trimmed_mean == pytest.approx(trim_mean(sample, 0.1), rel=1e-12)


def test_hand_case():
    # The pair was sqrt(2) apart and coincides now. The second sample moved by sqrt(2): (0 - 2)^2 / (0 + 2)^2.
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    za = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert relative_equivariance(z, za) == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_zero_for_an_orthogonal_map_and_for_a_shift(seed):
    z, _ = draw(20, 5, 1, seed)
    views = np.stack([z @ ortho_group.rvs(5, random_state=seed).T, z + 3.0])
    summary = measure(z, views)
    assert summary.mean < 1e-25
    assert summary.invariance > 1


def test_positive_for_a_map_that_is_not_orthogonal():
    z, _ = draw(20, 5, 1, 0)
    assert measure(z, (z @ np.diag([2.0, 1, 1, 1, 1]))[None]).mean > 0.1


@pytest.mark.parametrize("gram_from", [1024, 1])
@pytest.mark.parametrize("size", [1e-2, 1e-4, 3e-5])
def test_accurate_for_a_nearly_invariant_encoder(size, gram_from, monkeypatch):
    """The difference of two squared distances would give each ratio an error of about (1e-16 / size^2)^2."""
    monkeypatch.setitem(relative_equivariance.__globals__, "GRAM_FROM", gram_from)
    z, za = draw(12, 4, 2, 0, size=size)
    expected = all_ratios(z, za)
    summary = measure(z, za)
    assert expected.mean() > 1
    assert summary.mean == pytest.approx(expected.mean(), rel=1e-6)
    assert summary.median == pytest.approx(np.median(expected), rel=1e-6)


@pytest.mark.parametrize("gram_from", [1024, 1])
def test_pairs_that_did_not_move_are_left_out(gram_from, monkeypatch):
    monkeypatch.setitem(relative_equivariance.__globals__, "GRAM_FROM", gram_from)
    z, za = draw(8, 3, 2, 0)
    za[0] = z
    za[1, :4] = z[:4]
    expected = all_ratios(z, za)
    assert np.isnan(expected).sum() == 28 + 6
    expected = expected[~np.isnan(expected)]
    summary = measure(z, za)
    assert summary.mean == pytest.approx(expected.mean(), rel=1e-12)
    assert summary.median == pytest.approx(np.median(expected), rel=1e-12)
    assert summary.trimmed_mean == pytest.approx(trim_mean(expected, 0.1), rel=1e-12)


def test_an_exactly_invariant_encoder_has_no_ratio():
    z, _ = draw(5, 3, 1, 0)
    summary = measure(z, np.stack([z, z]))
    assert all(math.isnan(value) for value in (summary.mean, summary.median, summary.trimmed_mean))
    assert summary.invariance == 0.0
    assert math.isnan(relative_equivariance(torch.from_numpy(z), torch.from_numpy(z)))


def test_a_draw_that_moves_by_rounding_alone_is_left_out():
    """A rotation turns the embeddings exactly; one still draw among its views would give gamma a mean of 1e14."""
    z, _ = draw(40, 6, 1, 0)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    turned = z @ ortho_group.rvs(6, random_state=1)
    rounding = 4e-8 * np.random.default_rng(2).standard_normal(z.shape)
    rows = [torch.from_numpy(each).float() for each in (z, turned, z + rounding)]
    summary = relative_equivariance_summary(rows[0], torch.stack(rows[1:]))
    alone = relative_equivariance_summary(rows[0], rows[1][None])
    assert (summary.mean, summary.median, summary.trimmed_mean) == (alone.mean, alone.median, alone.trimmed_mean)
    assert summary.mean < 1e-10
    assert summary.invariance == pytest.approx(np.linalg.norm(turned - z, axis=1).mean() / 2, rel=1e-4)
    still = relative_equivariance_summary(rows[0], rows[2][None])
    assert math.isnan(still.mean)
    assert 0 < still.invariance < 1e-6
    moved = relative_equivariance_summary(rows[0], torch.from_numpy(z + 1e3 * rounding).float()[None])
    assert moved.mean > 1, "a small movement is no rounding"


def test_copies_in_float64_have_the_rounding_of_float32():
    """An encoder that is invariant but for rounding has no ratio, in whatever type its embeddings are."""
    z, _ = draw(40, 6, 1, 0)
    z = torch.from_numpy(z / np.linalg.norm(z, axis=1, keepdims=True)).float()
    still = z * (1 + 1e-7 * torch.randn(40, 6, generator=torch.Generator().manual_seed(3)))
    assert not torch.equal(still, z)
    for rows, views in ((z, still), (z.double(), still.double())):
        summary = relative_equivariance_summary(rows, views[None])
        assert math.isnan(summary.mean)
        assert 0 < summary.invariance < 1e-6
    moved = z.double() + 1e-4 * torch.randn(40, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    expected = all_ratios(z.double().numpy(), moved[None].numpy()).mean()
    assert relative_equivariance(z.double(), moved[None]) == pytest.approx(expected, rel=1e-6)


def test_one_view_without_a_leading_dimension():
    z, za = draw(9, 4, 1, 0)
    single = relative_equivariance(torch.from_numpy(z), torch.from_numpy(za[0]))
    assert single == pytest.approx(all_ratios(z, za).mean(), rel=1e-12)


def test_single_precision_inputs():
    z, za = (x.astype(np.float32) for x in draw(20, 4, 2, 0))
    assert measure(z, za).mean == pytest.approx(all_ratios(z, za).mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("z", "za", "message"),
    [((1, 3), (1, 3), r"z has shape \(1, 3\); expected \(n, d\) with n >= 2"), ((4, 3), (3, 3), r"\(3, 3\)")],
)
def test_refuses_the_shape(z, za, message):
    with pytest.raises(ValueError, match=message):
        relative_equivariance(torch.ones(z), torch.ones(za))
