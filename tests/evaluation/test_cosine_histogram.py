from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from care_bench.evaluation import cosine_statistics


def test_agrees_with_numpy():
    generator = np.random.default_rng(0)
    z, za = generator.standard_normal((200, 2)), generator.standard_normal((5, 200, 2))
    result = cosine_statistics(torch.from_numpy(z), torch.from_numpy(za))
    for i, view in enumerate(za):
        cosines = [a @ b / math.sqrt((a @ a) * (b @ b)) for a, b in zip(z, view, strict=True)]
        assert result.mean[i].item() == pytest.approx(np.mean(cosines), abs=1e-14)
        assert result.variance[i].item() == pytest.approx(np.var(cosines, ddof=1), abs=1e-14)
        assert result.fraction_opposed[i].item() == pytest.approx(np.mean(np.array(cosines) <= -0.5), abs=1e-15)
        counts, edges = np.histogram(cosines, bins=40, range=(-1, 1))
        assert result.counts[i].tolist() == counts.tolist()
        assert result.edges.numpy() == pytest.approx(edges, abs=1e-15)


def test_turning_the_circle_has_no_variance():
    angles = torch.linspace(0, 6, 50, dtype=torch.float64)
    z = torch.stack([angles.cos(), angles.sin()], dim=1)
    turned = torch.stack([(angles + 2.2).cos(), (angles + 2.2).sin()], dim=1)
    result = cosine_statistics(z, turned)
    assert result.mean.tolist() == [pytest.approx(math.cos(2.2), abs=1e-14)]
    assert result.variance.item() < 1e-28
    assert result.fraction_opposed.tolist() == [1.0]
    # cos 2.2 = -0.5885 lies in [-0.6, -0.55), the ninth bin.
    assert result.counts.nonzero().tolist() == [[0, 8]]


def test_the_ends_and_the_edge_at_minus_one_half():
    z = torch.tensor([[1.0, 0, 0, 0]]).expand(4, 4)
    za = torch.tensor([[3.0, 0, 0, 0], [-2, 0, 0, 0], [0, 1, 0, 0], [-1, 1, 1, 1]])
    result = cosine_statistics(z, za)
    assert result.counts[0].nonzero().flatten().tolist() == [0, 10, 20, 39]
    assert result.fraction_opposed.item() == 0.5
    assert result.mean.item() == pytest.approx((1 - 1 + 0 - 0.5) / 4, abs=1e-15)


def test_refuses_zero_embeddings_and_a_single_sample():
    z = torch.eye(3)
    zero = z.clone()
    zero[1] = 0
    with pytest.raises(ValueError, match=r"za holds 1 zero embedding\(s\) of 3"):
        cosine_statistics(z, zero[None])
    with pytest.raises(ValueError, match=r"z holds 1 zero embedding\(s\) of 3"):
        cosine_statistics(zero, z[None])
    with pytest.raises(ValueError, match=r"z has shape \(1, 3\)"):
        cosine_statistics(z[:1], z[:1])
