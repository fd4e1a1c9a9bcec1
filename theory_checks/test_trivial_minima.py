"""Trivial minima of the equivariance loss, and the uniformity that excludes collapse."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from care_bench.losses import Equivariance, InfoNCE, alignment, info_nce_terms, uniformity
from theory_checks.measures_metrics import moved, relative_difference
from theory_checks.observing import Statement, observe, sizes
from theory_checks.strategies import seeds, sphere_points
from theory_checks.tolerances import EXACT

STATEMENTS = (
    Statement(
        id="trivial-minima",
        text="A constant f and any invariant f have equivariance loss zero.",
        source="trivial minima",
        verdict="holds",
    ),
    Statement(
        id="non-collapse",
        text="Uniformity excludes collapse: uniformity and InfoNCE's uniformity term are largest at the constant f.",
        source="trivial minima",
        verdict="holds",
    ),
)

FIDELITIES = ("paper", "released-code")


def constant(z: Tensor) -> Tensor:
    return z[:1].expand_as(z).contiguous()


@pytest.mark.statement("trivial-minima")
@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize("splits", [1, 2])
@given(z=sphere_points(min_n=4))
def test_constant_and_invariant_encoders_have_loss_zero(fidelity, splits, z):
    z = z[: len(z) // 2 * 2]
    loss = Equivariance(splits, fidelity)
    worst = max(loss(constant(z), constant(z)).item(), loss(z, z.clone()).item())
    observe("trivial-minima", residual=worst, case=f"{sizes(z)} splits={splits} {fidelity}")
    assert worst == 0


@pytest.mark.statement("trivial-minima")
@pytest.mark.parametrize("fidelity", FIDELITIES)
@given(z=sphere_points(min_n=4, min_d=2, kind="uniform"), seed=seeds())
def test_control_views_that_are_neither_have_a_loss_in_both_fidelities(fidelity, z, seed):
    za = moved(z, seed, 1.0)
    scale = 2 * (len(z) - 1) if fidelity == "released-code" else 1
    for plain in (z, constant(z)):
        loss = Equivariance(1, fidelity)(plain, za).item()
        gram_change = (za @ za.mT - plain @ plain.mT).square().sum().item() / (len(z) * (len(z) - 1))
        assert loss > 1e-6
        assert loss == pytest.approx(scale * gram_change, rel=1e-9)


@pytest.mark.statement("non-collapse")
@given(z=sphere_points(min_n=2))
def test_uniformity_is_at_most_one_and_bounds_the_distance_from_collapse(z):
    """The exponential lies under its chord on [-1, 1], so 1 - uniformity >= -log(1 - E(1 - s) sinh(1) / e)."""
    spread = torch.pdist(z).square().mean().item() / 2  # E (1 - s) over pairs of different rows
    least = -math.log1p(-min(spread * math.sinh(1) / math.e, 1 - math.exp(-2)))
    distance = 1 - uniformity(z).item()
    observe("non-collapse", residual=max(0.0, least - distance), case=sizes(z))
    assert distance >= least - EXACT


@pytest.mark.statement("non-collapse")
@given(z=sphere_points(min_n=2), temperature=st.sampled_from([0.1, 0.5, 1.0]))
def test_the_constant_encoder_has_the_largest_uniformity(z, temperature):
    collapsed = constant(z)
    log_terms = math.log(2 * len(z) - 1)
    _, uniformity_term = info_nce_terms(collapsed, collapsed, temperature)
    residual = max(
        abs(uniformity(collapsed).item() - 1),
        relative_difference(uniformity_term.item(), 1 / temperature + log_terms),
        relative_difference(InfoNCE(temperature)(collapsed, collapsed).item(), log_terms),
    )
    observe("non-collapse", residual=residual, case=f"{sizes(z)} temperature={temperature}")
    assert residual < EXACT
    assert uniformity(z) <= 1 + EXACT
    assert info_nce_terms(z, z, temperature)[1] <= 1 / temperature + log_terms + EXACT / temperature


@pytest.mark.statement("non-collapse")
@given(z=sphere_points(min_n=2, min_d=2, kind="uniform"))
def test_control_equivariance_and_alignment_do_not_distinguish_collapse(z):
    collapsed = constant(z)
    assume(torch.pdist(z).max() > 0.1)
    one_apart = constant(z).clone()
    one_apart[0] = -one_apart[0]
    for spread in (z, one_apart):
        assert Equivariance(1)(spread, spread) == Equivariance(1)(collapsed, collapsed) == 0
        assert alignment(spread, spread) == alignment(collapsed, collapsed) == 0
        assert uniformity(spread) < uniformity(collapsed) - 1e-6
        assert InfoNCE(0.5)(spread, spread) < InfoNCE(0.5)(collapsed, collapsed) - 1e-6
