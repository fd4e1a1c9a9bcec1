from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from lightly.loss import BarlowTwinsLoss
from torch.autograd import gradcheck, gradgradcheck

from care_bench.losses import BarlowTwins, barlow_twins_terms


def by_definition(z1, z2):
    """Return both terms from the correlation matrix, by a loop over its entries in numpy."""
    a, b = ((z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5) for z in (z1, z2))
    d = z1.shape[1]
    correlation = [[np.mean(a[:, i] * b[:, j]) for j in range(d)] for i in range(d)]
    on_diagonal = sum((1 - correlation[i][i]) ** 2 for i in range(d))
    return on_diagonal, sum(correlation[i][j] ** 2 for i in range(d) for j in range(d) if i != j)


@pytest.fixture
def outputs():
    """Return two correlated outputs of a projector, with norms far from 1 and means far from 0."""
    generator = np.random.default_rng(0)
    z1 = 3 * generator.standard_normal((12, 5)) + generator.standard_normal(5)
    z2 = z1 @ (np.eye(5) + 0.3 * generator.standard_normal((5, 5))) + generator.standard_normal((12, 5))
    return torch.from_numpy(z1), torch.from_numpy(z2)


def test_terms_agree_with_the_definition(outputs):
    terms = [term.item() for term in barlow_twins_terms(*outputs)]
    assert terms == pytest.approx(by_definition(*(z.numpy() for z in outputs)), rel=1e-12)
    assert min(terms) > 0.1


@pytest.mark.parametrize("weight", [0.0, 0.0051, 1.0])
def test_agrees_with_lightly_and_with_numpy(outputs, weight):
    on_diagonal, off_diagonal = by_definition(*(z.numpy() for z in outputs))
    loss = BarlowTwins(weight)(*outputs).item()
    assert loss == pytest.approx(on_diagonal + weight * off_diagonal, rel=1e-12)
    assert loss == pytest.approx(BarlowTwinsLoss(lambda_param=weight)(*outputs).item(), rel=1e-12)


def test_the_default_weight_is_that_of_the_paper(outputs):
    on_diagonal, off_diagonal = by_definition(*(z.numpy() for z in outputs))
    assert BarlowTwins()(*outputs).item() == pytest.approx(on_diagonal + 0.0051 * off_diagonal, rel=1e-12)


def test_hand_cases():
    plus = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    assert [term.item() for term in barlow_twins_terms(plus, plus)] == pytest.approx([0, 0], abs=1e-9)
    assert [term.item() for term in barlow_twins_terms(plus, -plus)] == pytest.approx([8, 0], abs=1e-3)
    assert [term.item() for term in barlow_twins_terms(plus, plus.flip(1))] == pytest.approx([2, 2], abs=1e-3)


def test_one_dimension_has_nothing_off_the_diagonal(outputs):
    assert barlow_twins_terms(outputs[0][:, :1], outputs[1][:, :1])[1].item() == 0


def test_collapse_has_no_correlation_and_finite_gradients():
    z = torch.full((6, 3), 2.0, dtype=torch.float64, requires_grad=True)
    on_diagonal, off_diagonal = barlow_twins_terms(z, z)
    (on_diagonal + off_diagonal).backward()
    assert on_diagonal.item() == pytest.approx(3)
    assert off_diagonal.item() == pytest.approx(0)
    assert torch.isfinite(z.grad).all()


def test_symmetric_and_invariant_to_the_order_of_rows_and_dimensions(outputs):
    z1, z2 = outputs
    generator = np.random.default_rng(3)
    order, dimensions = torch.from_numpy(generator.permutation(12)), torch.from_numpy(generator.permutation(5))
    loss = BarlowTwins()(z1, z2).item()
    assert BarlowTwins()(z2, z1).item() == pytest.approx(loss, rel=1e-12)
    assert BarlowTwins()(z1[order], z2[order]).item() == pytest.approx(loss, rel=1e-12)
    assert BarlowTwins()(z1[:, dimensions], z2[:, dimensions]).item() == pytest.approx(loss, rel=1e-12)
    assert BarlowTwins()(z1[order], z2).item() != pytest.approx(loss, rel=1e-2)


def test_invariant_to_mean_and_scale_of_a_dimension_and_not_to_a_rotation(outputs, orthogonal):
    z1, z2 = outputs
    scale, shift = torch.tensor([1.0, 2, 5, 10, 100]).double(), torch.tensor([0.0, 1, -5, 3, 7]).double()
    turn = orthogonal(5, 2)
    loss = BarlowTwins()(z1, z2).item()
    assert BarlowTwins()(scale * z1 + shift, z2).item() == pytest.approx(loss, rel=1e-5)
    assert BarlowTwins()(z1 @ turn.T, z2 @ turn.T).item() != pytest.approx(loss, rel=1e-2)


def test_gradients(outputs):
    views = tuple(z[:4, :3].clone().requires_grad_() for z in outputs)
    assert gradcheck(barlow_twins_terms, views)
    assert gradgradcheck(barlow_twins_terms, views)


def test_computes_in_single_precision_or_better(outputs):
    expected = BarlowTwins()(*outputs).item()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = BarlowTwins()(*(z.float() for z in outputs))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    half = [z.bfloat16() for z in outputs]
    assert BarlowTwins()(*half).dtype == torch.float32
    assert BarlowTwins()(*half).item() == pytest.approx(BarlowTwins()(*(z.double() for z in half)).item(), rel=1e-5)


@pytest.mark.parametrize("weight", [-0.1, math.inf, math.nan])
def test_refuses_the_weight(weight):
    with pytest.raises(ValueError, match=f"off_diagonal_weight is {weight}"):
        BarlowTwins(weight)
