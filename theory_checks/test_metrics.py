"""gamma_f and Wahba's error: what gamma_f measures, where it is zero, and what leaves both unchanged."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from care_bench.metrics import relative_equivariance, wahba
from theory_checks.measures import equivariance_loss
from theory_checks.measures_metrics import moved, pair_movement, relative_difference, root_numerator
from theory_checks.observing import Statement, observe, observe_bound, observe_counterexample, sizes
from theory_checks.strategies import make_orthogonal, make_points, orthogonal, seeds, sphere_points
from theory_checks.tolerances import EXACT

STATEMENTS = (
    Statement(
        id="metric-numerator",
        text="On the sphere gamma_f's numerator (|u'-u|^2 - |v'-v|^2)^2 is 4 (u'.u - v'.v)^2, four times the "
        "loss of the pair.",
        source="numerator identity",
        verdict="holds with assumption: all embeddings have the same norm",
    ),
    Statement(
        id="metric-gamma-zero",
        text="gamma_f is zero where the views are an orthogonal image of the embeddings.",
        source="metric: gamma_f",
        verdict="holds with assumption: some pair moves (an exactly invariant encoder has no gamma_f)",
    ),
    Statement(
        id="metric-gamma-positive",
        text="On the sphere gamma_f is at least loss / 16, so it is zero only where the loss is; 16 is sharp.",
        source="metric: gamma_f",
        verdict="holds with assumption: some pair moves (an exactly invariant encoder has no gamma_f)",
    ),
    Statement(
        id="metric-frame",
        text="gamma_f and Wahba's error are unchanged by one orthogonal map of all embeddings and by a reordering.",
        source="metric",
        verdict="holds",
    ),
    Statement(
        id="metric-views-turned",
        text="Wahba's error is unchanged by a map of its own group applied to the views alone; gamma_f can change.",
        source="metric",
        verdict="holds with assumption: the map is in the group (over SO(d) a reflection changes the error where "
        "F_a F^T has rank d)",
    ),
)

SIZES = st.sampled_from([1e-2, 0.1, 1.0, 10.0])


# --- the numerator -----------------------------------------------------------------------------------------------


def numerator_defect(z: Tensor, za: Tensor) -> float:
    """Return |root of gamma_f's numerator - 2 sqrt(loss)| of the first two rows, zero where the identity holds."""
    return abs(root_numerator(z[:2], za[:2]) - 2 * math.sqrt(equivariance_loss(z[:2], za[:2])))


@pytest.mark.statement("metric-numerator")
@given(z=sphere_points(min_n=2, max_n=2), seed=seeds(), size=SIZES)
def test_numerator_of_gamma_is_four_times_the_squared_gram_difference(z, seed, size):
    za = moved(z, seed, size)
    assume(pair_movement(z, za) > 1e-9)
    defect = numerator_defect(z, za)
    observe("metric-numerator", residual=defect, case=sizes(z))
    assert defect < EXACT


@pytest.mark.statement("metric-numerator")
@given(z=sphere_points(min_n=2, max_n=2), seed=seeds())
def test_control_a_row_off_the_sphere_breaks_the_numerator_identity(z, seed):
    za = moved(z, seed, 1.0) * torch.tensor([[4.0], [1.0]])
    # With t the change of the inner product the two sides are | 15 - 2 t | and 2 | t |: 15 - 4 t apart, or 15.
    assume(abs((za @ za.mT - z @ z.mT)[0, 1]) < 3.7)
    defect = numerator_defect(z, za)
    observe_counterexample("metric-numerator", value=defect, case=sizes(z))
    assert defect > 0.1
    # The metric itself still has the numerator of its definition.
    change = (torch.pdist(za).square() - torch.pdist(z).square()).abs().item()
    assert root_numerator(z, za) == pytest.approx(change, abs=EXACT)


@pytest.mark.statement("metric-numerator")
def test_control_lengths_alone_move_gamma_and_not_the_loss():
    """The loss leaves out the pair of an input with itself, and here all other inner products stay zero."""
    z = torch.eye(2, dtype=torch.float64)
    za = torch.diag(torch.tensor([4.0, 1.0], dtype=torch.float64))
    assert equivariance_loss(z, za) == 0
    assert root_numerator(z, za) == pytest.approx(17 - 2)


# --- where gamma_f is zero ---------------------------------------------------------------------------------------


@st.composite
def turned(draw: st.DrawFn, kind: str | None = None) -> tuple[Tensor, Tensor]:
    """Embeddings and their image under one orthogonal map, which moves every pair of samples."""
    z = draw(sphere_points(min_n=2, min_d=2))
    za = z @ draw(orthogonal(z.shape[1], kind)).mT
    assume(pair_movement(z, za) > 1e-8)
    return z, za


@pytest.mark.statement("metric-gamma-zero")
@given(turned())
def test_gamma_is_zero_for_an_exact_orthogonal_map(views):
    gamma = relative_equivariance(*views)
    observe_bound("metric-gamma-zero", value=math.sqrt(gamma), bound=1e-6, case=sizes(views[0]))
    assert math.sqrt(gamma) < 1e-6  # eps over the smallest movement that `turned` lets through, 1e-4


@pytest.mark.statement("metric-gamma-positive")
@given(z=sphere_points(min_n=2, min_d=2, kind="uniform"), seed=seeds(), size=SIZES)
def test_gamma_is_at_least_a_sixteenth_of_the_loss(z, seed, size):
    za = moved(z, seed, size)
    gamma, loss = relative_equivariance(z, za), equivariance_loss(z, za)
    observe_bound("metric-gamma-positive", value=loss / 16, bound=gamma, case=sizes(z))
    assert gamma >= loss / 16 > 0


@pytest.mark.statement("metric-gamma-positive")
@given(z=sphere_points(min_n=2), still=st.integers(0, 8), seed=seeds())
def test_gamma_is_at_least_a_sixteenth_of_the_loss_where_some_samples_stay_or_go_to_their_antipodes(z, still, seed):
    za = torch.where(torch.arange(len(z))[:, None] < still, z, -z if seed % 2 else moved(z, seed, 1.0))
    gamma, loss = relative_equivariance(z, za), equivariance_loss(z, za)
    assume(not math.isnan(gamma))
    observe("metric-gamma-positive", residual=max(0.0, loss / 16 - gamma), case=f"{sizes(z)} still={still}")
    assert gamma >= loss / 16 - EXACT


@pytest.mark.statement("metric-gamma-positive")
def test_the_sixteenth_is_reached_by_two_samples_that_both_go_to_their_antipodes():
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    for angle in (1e-3, 1e-5):
        # Both go to their antipodes or next to them, so that the movement is 8 up to angle^2.
        za = torch.tensor([[-math.cos(angle), -math.sin(angle)], [0.0, -1.0]], dtype=torch.float64)
        bound, gamma = equivariance_loss(z, za) / 16, relative_equivariance(z, za)
        observe_bound("metric-gamma-positive", value=bound, bound=gamma, case=f"n=2 d=2 angle={angle}")
        assert (1 - angle) * gamma < bound <= (1 + EXACT) * gamma


@pytest.mark.statement("metric-gamma-zero", "metric-gamma-positive")
@pytest.mark.parametrize("seed", range(5))
def test_control_maps_that_are_not_orthogonal_have_positive_gamma(seed):
    z = make_points(20, 4, seed)
    turn = make_orthogonal(4, seed)
    stretch = torch.diag(torch.tensor([1.2, 1.0, 1.0, 1.0], dtype=torch.float64))
    warped = z @ turn.mT
    warped[0] = -warped[0]  # the common map does not fit one sample
    for za in (functional.normalize(z @ stretch @ turn.mT, dim=1), warped):
        assert relative_equivariance(z, za) > 1e-4


@pytest.mark.statement("metric-gamma-zero")
@given(z=sphere_points(min_n=2))
def test_an_exactly_invariant_encoder_has_no_gamma(z):
    assert math.isnan(relative_equivariance(z, z.clone()))


# --- what leaves both metrics unchanged --------------------------------------------------------------------------


def differences(before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor]) -> tuple[float, float, float]:
    """Return by how much gamma_f, Wahba's error over SO(d) and that over O(d) differ."""
    gamma = relative_difference(relative_equivariance(*after), relative_equivariance(*before))
    special = abs(wahba(*after).error_per_sample - wahba(*before).error_per_sample).item()
    whole = abs(wahba(*after, group="O").error_per_sample - wahba(*before, group="O").error_per_sample).item()
    return gamma, special, whole


@st.composite
def views_and_map(draw: st.DrawFn, kind: str | None = None) -> tuple[Tensor, Tensor, Tensor]:
    z = draw(sphere_points(min_n=2, min_d=2))
    za = moved(z, draw(seeds()), draw(SIZES))
    assume(pair_movement(z, za) > 1e-8)
    return z, za, draw(orthogonal(z.shape[1], kind))


@pytest.mark.statement("metric-frame")
@given(views_and_map())
def test_turning_all_embeddings_changes_neither_metric(example):
    z, za, turn = example
    worst = max(differences((z, za), (z @ turn.mT, za @ turn.mT)))
    observe("metric-frame", residual=worst, case=sizes(z))
    assert worst < EXACT


@pytest.mark.statement("metric-frame")
@given(views_and_map(), seeds())
def test_reordering_the_samples_changes_neither_metric(example, seed):
    z, za, _ = example
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(seed))
    worst = max(differences((z, za), (z[order], za[order])))
    observe("metric-frame", residual=worst, case=sizes(z))
    assert worst < EXACT


@pytest.mark.statement("metric-frame")
@pytest.mark.parametrize("seed", range(5))
def test_control_other_maps_and_orders_change_both_metrics(seed):
    z = make_points(20, 4, seed)
    za = moved(z, seed, 0.5)
    shear = torch.eye(4, dtype=torch.float64)
    shear[0, 1] = 0.5
    assert min(differences((z, za), (z @ shear, za @ shear))) > 1e-4
    assert min(differences((z, za), (z, za.flip(0)))) > 1e-2


@pytest.mark.statement("metric-views-turned")
@given(views_and_map(kind="special"))
def test_wahbas_error_is_unchanged_by_a_rotation_of_the_views(example):
    z, za, turn = example
    _, special, whole = differences((z, za), (z, za @ turn.mT))
    observe("metric-views-turned", residual=max(special, whole), case=sizes(z))
    assert max(special, whole) < EXACT


@pytest.mark.statement("metric-views-turned")
@given(views_and_map(kind="reflection"))
def test_wahbas_error_over_the_whole_group_is_unchanged_by_a_reflection_of_the_views(example):
    z, za, turn = example
    *_, whole = differences((z, za), (z, za @ turn.mT))
    observe("metric-views-turned", residual=whole, case=sizes(z))
    assert whole < EXACT


@pytest.mark.statement("metric-views-turned")
@given(z=sphere_points(min_n=2, min_d=2, kind="rank_deficient"), seed=seeds())
def test_below_full_rank_a_reflection_of_the_views_changes_no_error(z, seed):
    za = moved(z, seed, 0.3)
    _, special, whole = differences((z, za), (z, za @ make_orthogonal(z.shape[1], seed, "reflection").mT))
    observe("metric-views-turned", residual=max(special, whole), case=f"{sizes(z)} rank deficient")
    assert max(special, whole) < 1e-7  # the root of a singular value that is rounding error


@pytest.mark.statement("metric-views-turned")
@pytest.mark.parametrize("seed", range(5))
def test_control_a_rotation_changes_gamma_and_a_reflection_the_error_over_the_special_group(seed):
    z = make_points(20, 4, seed)
    za = moved(z, seed, 0.3)
    gamma, special, _ = differences((z, za), (z, za @ make_orthogonal(4, seed, "special").mT))
    assert gamma > 1e-2
    assert special < EXACT
    _, special, _ = differences((z, za), (z, za @ make_orthogonal(4, seed, "reflection").mT))
    observe_counterexample("metric-views-turned", value=special, case=f"n=20 d=4 seed={seed} reflected, over SO(d)")
    assert special > 0.1
