from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from care_bench.metrics import cosine_statistics, positive_cosines


def test_agrees_with_numpy():
    generator = np.random.default_rng(0)
    z, za = generator.standard_normal((200, 2)), generator.standard_normal((5, 200, 2))
    result = cosine_statistics(torch.from_numpy(z), torch.from_numpy(za))
    for i, view in enumerate(za):
        cosines = [a @ b / math.sqrt((a @ a) * (b @ b)) for a, b in zip(z, view, strict=True)]
        assert result.mean[i].item() == pytest.approx(np.mean(cosines), abs=1e-14)
        assert result.variance[i].item() == pytest.approx(np.var(cosines, ddof=1), abs=1e-14)
        assert result.fraction_opposed[i].item() == pytest.approx(np.mean(np.array(cosines) <= -0.5), abs=1e-15)


def test_turning_the_circle_has_no_variance():
    angles = torch.linspace(0, 6, 50, dtype=torch.float64)
    z = torch.stack([angles.cos(), angles.sin()], dim=1)
    turned = torch.stack([(angles + 2.2).cos(), (angles + 2.2).sin()], dim=1)
    result = cosine_statistics(z, turned)
    assert result.mean.tolist() == [pytest.approx(math.cos(2.2), abs=1e-14)]
    assert result.variance.item() < 1e-28
    assert result.fraction_opposed.tolist() == [1.0]


def test_cosines_of_one_minus_one_and_minus_one_half():
    z = torch.tensor([[1.0, 0, 0, 0]]).expand(4, 4)
    za = torch.tensor([[3.0, 0, 0, 0], [-2, 0, 0, 0], [0, 1, 0, 0], [-1, 1, 1, 1]])
    result = cosine_statistics(z, za)
    assert result.fraction_opposed.item() == 0.5
    assert result.mean.item() == pytest.approx((1 - 1 + 0 - 0.5) / 4, abs=1e-15)


def test_refuses_zero_embeddings_and_a_single_sample():
    z = torch.eye(3)
    zero = z.clone()
    zero[1] = 0
    with pytest.raises(ValueError, match=r"za: 1 of 3 are zero, which has no direction"):
        cosine_statistics(z, zero[None])
    with pytest.raises(ValueError, match=r"^z: 1 of 3 are zero, which has no direction"):
        cosine_statistics(zero, z[None])
    with pytest.raises(ValueError, match=r"z has shape \(1, 3\)"):
        cosine_statistics(z[:1], z[:1])


def at(cosines):
    """Return vectors of norm 2 in the plane with these cosines to the first axis."""
    cosines = torch.tensor(cosines, dtype=torch.float64)
    return 2 * torch.stack([cosines, (1 - cosines.square()).sqrt()], dim=1)


def test_quantiles_of_positive_pairs_by_hand():
    # Five cosines at equal steps of 0.25: quantile q lies 4 q steps above the lowest.
    first = at([1.0] * 5)
    result = positive_cosines(torch.stack([first, at([0.5, 0.0, 1.0, 0.25, 0.75])]))
    assert result.mean.tolist() == [pytest.approx(0.5)]
    assert result.quantiles == pytest.approx((0.05, 0.25, 0.5, 0.75, 0.95))


def test_positive_pairs_are_consecutive_views_and_their_quantiles_are_joint():
    first = at([1.0, 1.0])
    # Cosines 0 and 0.25, then 0.5 and 1; the fifth view has no partner. In order 0, 0.25, 0.5, 1: the median lies
    # between the pairs, and 95 % at 2.85 steps of three.
    result = positive_cosines(torch.stack([first, at([0.25, 0.0]), at([1.0, 0.5]), first, at([-1.0, -1.0])]))
    assert result.mean.tolist() == [pytest.approx(0.125), pytest.approx(0.75)]
    assert result.quantiles == pytest.approx((0.0375, 0.1875, 0.375, 0.625, 0.925))


def test_positive_pairs_agree_with_numpy():
    views = np.random.default_rng(3).standard_normal((6, 300, 5))
    unit = views / np.linalg.norm(views, axis=2, keepdims=True)
    cosines = (unit[0::2] * unit[1::2]).sum(axis=2)
    result = positive_cosines(torch.from_numpy(views))
    assert result.mean.numpy() == pytest.approx(cosines.mean(axis=1), abs=1e-14)
    ordered = np.sort(cosines.ravel())
    places = np.array([0.05, 0.25, 0.5, 0.75, 0.95]) * (len(ordered) - 1)
    assert result.quantiles == pytest.approx(np.interp(places, np.arange(len(ordered)), ordered), abs=1e-14)


def test_positive_pairs_refuse_a_single_view_and_a_zero():
    for shape in ((1, 3, 2), (3, 2)):
        with pytest.raises(ValueError, match=r"za has shape .*; expected \(A, n, d\) with A >= 2"):
            positive_cosines(torch.ones(shape))
    with pytest.raises(ValueError, match=r"za: 3 of 6 are zero, which has no direction"):
        positive_cosines(torch.stack([torch.eye(3), torch.zeros(3, 3)]))
    with pytest.raises(ValueError, match="za holds 9 of 18 values that are not finite"):
        positive_cosines(torch.stack([torch.eye(3), torch.full((3, 3), torch.nan)]))
