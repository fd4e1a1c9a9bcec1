"""gamma_f and Wahba's error: what they measure, what leaves them alone, where gamma_f stops meaning anything."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from care_bench.evaluation import relative_equivariance, relative_equivariance_summary, wahba
from care_bench.losses import Equivariance, InfoNCE, alignment, info_nce_terms, uniformity
from theory_checks.ledger import Statement, observe
from theory_checks.measures import equivariance_loss
from theory_checks.measures_metrics import (
    log_log_slope,
    moved,
    pair_movement,
    relative_difference,
    root_numerator,
)
from theory_checks.strategies import make_orthogonal, make_points, orthogonal, seeds, sphere_points
from theory_checks.tolerances import TOLERANCE

STATEMENTS = (
    Statement(
        id="metric-numerator",
        text="On the sphere gamma_f's numerator (|u'-u|^2 - |v'-v|^2)^2 is 4 (u'.u - v'.v)^2, the loss of the pair.",
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
        verdict="holds",
    ),
    Statement(
        id="metric-frame",
        text="Neither gamma_f nor Wahba's error sees one orthogonal map of all embeddings or the order of samples.",
        source="metric",
        verdict="holds",
    ),
    Statement(
        id="metric-views-turned",
        text="Wahba's error does not see a map of its own group applied to the views alone; gamma_f does.",
        source="metric",
        verdict="holds with assumption: the map is in the group (over SO(d) a reflection is seen)",
    ),
    Statement(
        id="point-8",
        text="As f becomes invariant by t, gamma_f grows like t^-2; the loss falls like t^2, Wahba's error like t.",
        source="point 8",
        verdict="holds",
    ),
    Statement(
        id="point-8-summary",
        text="Where few pairs stop moving, the mean of the ratios diverges and the median and trimmed mean do not.",
        source="point 8",
        verdict="holds with assumption: fewer than 10 % of the pairs; where all stop moving, median and trimmed mean "
        "diverge as well and only the invariance tells",
    ),
    Statement(
        id="trivial-minima",
        text="A constant f and any invariant f have equivariance loss zero.",
        source="trivial minima",
        verdict="holds",
    ),
    Statement(
        id="non-collapse",
        text="Repulsion tells collapse from spread: uniformity and InfoNCE's normaliser are largest at the constant f.",
        source="trivial minima",
        verdict="holds",
    ),
)

EXACT = TOLERANCE[torch.float64]
FIDELITIES = ("paper", "released-code")
SIZES = st.sampled_from([1e-2, 0.1, 1.0, 10.0])


def shape(z: Tensor) -> str:
    return f"n={z.shape[0]} d={z.shape[1]}"


# --- the numerator -----------------------------------------------------------------------------------------------


def numerator_defect(z: Tensor, za: Tensor) -> float:
    """|root of gamma_f's numerator - 2 sqrt(loss)| of the first two rows: zero where the identity holds."""
    return abs(root_numerator(z[:2], za[:2]) - 2 * math.sqrt(equivariance_loss(z[:2], za[:2])))


@pytest.mark.statement("metric-numerator")
@given(z=sphere_points(min_n=2, max_n=2), seed=seeds(), size=SIZES)
def test_numerator_of_gamma_is_four_times_the_squared_gram_difference(z, seed, size):
    za = moved(z, seed, size)
    assume(pair_movement(z, za) > 1e-9)
    defect = numerator_defect(z, za)
    observe("metric-numerator", residual=defect, case=shape(z))
    assert defect < EXACT


@pytest.mark.statement("metric-numerator")
@given(z=sphere_points(min_n=2, max_n=2), seed=seeds())
def test_control_a_row_off_the_sphere_breaks_the_numerator_identity(z, seed):
    za = moved(z, seed, 1.0) * torch.tensor([[4.0], [1.0]])
    # With t the change of the inner product the two sides are | 15 - 2 t | and 2 | t |: 15 - 4 t apart, or 15.
    assume(abs((za @ za.mT - z @ z.mT)[0, 1]) < 3.7)
    assert numerator_defect(z, za) > 0.1
    # The metric itself still has the numerator of its definition.
    change = (torch.pdist(za).square() - torch.pdist(z).square()).abs().item()
    assert root_numerator(z, za) == pytest.approx(change, abs=EXACT)


@pytest.mark.statement("metric-numerator")
def test_control_lengths_alone_move_gamma_and_not_the_loss():
    """The loss leaves out the pair of an input with itself, and all other inner products stay zero here."""
    z = torch.eye(2, dtype=torch.float64)
    za = torch.diag(torch.tensor([4.0, 1.0], dtype=torch.float64))
    assert equivariance_loss(z, za) == 0
    assert root_numerator(z, za) == pytest.approx(17 - 2)


# --- what gamma_f is zero for ------------------------------------------------------------------------------------


@st.composite
def turned(draw: st.DrawFn, kind: str | None = None) -> tuple[Tensor, Tensor]:
    """Embeddings and their image under one orthogonal map, no two samples of which stay where they are."""
    z = draw(sphere_points(min_n=2, min_d=2))
    za = z @ draw(orthogonal(z.shape[1], kind)).mT
    assume(pair_movement(z, za) > 1e-8)
    return z, za


@pytest.mark.statement("metric-gamma-zero")
@given(turned())
def test_gamma_is_zero_for_an_exact_orthogonal_map(views):
    gamma = relative_equivariance(*views)
    observe("metric-gamma-zero", residual=math.sqrt(gamma), case=shape(views[0]))
    assert math.sqrt(gamma) < 1e-6  # eps over the smallest movement that `turned` lets through, 1e-4


@pytest.mark.statement("metric-gamma-positive")
@given(z=sphere_points(min_n=2, min_d=2, kind="uniform"), seed=seeds(), size=SIZES)
def test_gamma_is_at_least_a_sixteenth_of_the_loss(z, seed, size):
    za = moved(z, seed, size)
    gamma, loss = relative_equivariance(z, za), equivariance_loss(z, za)
    observe("metric-gamma-positive", residual=loss / 16, bound=gamma, case=shape(z))
    assert gamma >= loss / 16 > 0


@pytest.mark.statement("metric-gamma-positive")
def test_the_sixteenth_is_reached_by_two_samples_that_both_jump_to_the_far_side():
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    for angle in (1e-3, 1e-5):
        # Both land on their antipodes or next to them, so that the movement is 8 but for angle^2.
        za = torch.tensor([[-math.cos(angle), -math.sin(angle)], [0.0, -1.0]], dtype=torch.float64)
        bound, gamma = equivariance_loss(z, za) / 16, relative_equivariance(z, za)
        observe("metric-gamma-positive", residual=bound, bound=gamma, case=f"n=2 d=2 angle={angle}")
        assert (1 - angle) * gamma < bound <= (1 + EXACT) * gamma


@pytest.mark.statement("metric-gamma-zero", "metric-gamma-positive")
@pytest.mark.parametrize("seed", range(5))
def test_control_maps_that_are_not_orthogonal_have_positive_gamma(seed):
    z = make_points(20, 4, seed)
    turn = make_orthogonal(4, seed)
    stretch = torch.diag(torch.tensor([1.2, 1.0, 1.0, 1.0], dtype=torch.float64))
    warped = z @ turn.mT
    warped[0] = -warped[0]  # one sample disobeys the common map
    for za in (functional.normalize(z @ stretch @ turn.mT, dim=1), warped):
        assert relative_equivariance(z, za) > 1e-4


@pytest.mark.statement("metric-gamma-zero")
@given(z=sphere_points(min_n=2))
def test_an_exactly_invariant_encoder_has_no_gamma(z):
    assert math.isnan(relative_equivariance(z, z.clone()))


# --- what leaves both metrics alone ------------------------------------------------------------------------------


def differences(before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor]) -> tuple[float, float, float]:
    """How much gamma_f, Wahba's error over SO(d) and that over O(d) differ."""
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
    observe("metric-frame", residual=worst, case=shape(z))
    assert worst < EXACT


@pytest.mark.statement("metric-frame")
@given(views_and_map(), seeds())
def test_reordering_the_samples_changes_neither_metric(example, seed):
    z, za, _ = example
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(seed))
    worst = max(differences((z, za), (z[order], za[order])))
    observe("metric-frame", residual=worst, case=shape(z))
    assert worst < EXACT


@pytest.mark.statement("metric-frame")
@pytest.mark.parametrize("seed", range(5))
def test_control_other_maps_and_orders_are_seen_by_both_metrics(seed):
    z = make_points(20, 4, seed)
    za = moved(z, seed, 0.5)
    shear = torch.eye(4, dtype=torch.float64)
    shear[0, 1] = 0.5
    assert min(differences((z, za), (z @ shear, za @ shear))) > 1e-4
    assert min(differences((z, za), (z, za.flip(0)))) > 1e-2


@pytest.mark.statement("metric-views-turned")
@given(views_and_map(kind="special"))
def test_wahba_does_not_see_a_rotation_of_the_views(example):
    z, za, turn = example
    _, special, whole = differences((z, za), (z, za @ turn.mT))
    observe("metric-views-turned", residual=max(special, whole), case=shape(z))
    assert max(special, whole) < EXACT


@pytest.mark.statement("metric-views-turned")
@given(views_and_map(kind="reflection"))
def test_wahba_over_the_whole_group_does_not_see_a_reflection_of_the_views_either(example):
    z, za, turn = example
    *_, whole = differences((z, za), (z, za @ turn.mT))
    observe("metric-views-turned", residual=whole, case=shape(z))
    assert whole < EXACT


@pytest.mark.statement("metric-views-turned")
@pytest.mark.parametrize("seed", range(5))
def test_control_gamma_sees_the_rotation_and_the_special_group_the_reflection(seed):
    z = make_points(20, 4, seed)
    za = moved(z, seed, 0.3)
    gamma, special, _ = differences((z, za), (z, za @ make_orthogonal(4, seed, "special").mT))
    assert gamma > 1e-2
    assert special < EXACT
    _, special, _ = differences((z, za), (z, za @ make_orthogonal(4, seed, "reflection").mT))
    assert special > 0.1


# --- nearly invariant encoders -----------------------------------------------------------------------------------

SCALES = (1e-1, 1e-2, 1e-3, 1e-4)


@pytest.mark.statement("point-8")
@pytest.mark.parametrize("seed", range(8))
def test_gamma_blows_up_while_the_residual_goes_to_zero(seed):
    z = make_points(40, 8, seed)
    views = [moved(z, seed, scale) for scale in SCALES]
    slopes = {
        "gamma": log_log_slope(SCALES, [relative_equivariance(z, za) for za in views]),
        "loss": log_log_slope(SCALES, [equivariance_loss(z, za) for za in views]),
        "wahba": log_log_slope(SCALES, [wahba(z, za).error_per_sample.item() for za in views]),
    }
    expected = {"gamma": -2.0, "loss": 2.0, "wahba": 1.0}
    worst = max(abs(slopes[key] - expected[key]) for key in expected)
    observe("point-8", residual=worst, bound=0.1, case=f"n=40 d=8 seed={seed}")
    assert worst < 0.1
    assert relative_equivariance(z, views[-1]) > 1e6
    assert wahba(z, views[-1]).error_per_sample < 1e-3


@pytest.mark.statement("point-8")
@pytest.mark.parametrize("seed", range(4))
def test_control_an_equivariant_encoder_that_hardly_moves_has_gamma_zero(seed):
    z = make_points(40, 8, seed)
    skew = make_points(8, 8, seed) - make_points(8, 8, seed).mT
    for scale in SCALES:
        assert relative_equivariance(z, z @ torch.linalg.matrix_exp(scale * skew).mT) < 1e-12


@pytest.mark.statement("point-8-summary")
@pytest.mark.parametrize("seed", range(8))
def test_median_and_trimmed_mean_survive_a_few_pairs_that_stop_moving(seed):
    z = make_points(40, 8, seed)
    summaries = []
    for scale in SCALES:
        za = moved(z, seed, 1.0)
        za[:8] = moved(z[:8], seed, scale)  # 28 of 780 pairs, 3.6 %
        summaries.append(relative_equivariance_summary(z, za))
    slope = log_log_slope(SCALES, [summary.mean for summary in summaries])
    change = max(
        summaries[-1].median / summaries[0].median,
        summaries[-1].trimmed_mean / summaries[0].trimmed_mean,
    )
    observe("point-8-summary", residual=change, bound=2.0, case=f"n=40 d=8 seed={seed}")
    assert slope < -1.5
    assert change < 2
    assert summaries[-1].mean > 1e4 * summaries[-1].trimmed_mean


@pytest.mark.statement("point-8-summary")
@pytest.mark.parametrize("seed", range(4))
def test_control_where_everything_stops_moving_only_the_invariance_tells(seed):
    z = make_points(40, 8, seed)
    summaries = [relative_equivariance_summary(z, moved(z, seed, scale)) for scale in SCALES]
    assert summaries[-1].median > 1e5 * summaries[0].median
    assert summaries[-1].trimmed_mean > 1e5 * summaries[0].trimmed_mean
    assert log_log_slope(SCALES, [summary.invariance for summary in summaries]) == pytest.approx(1, abs=0.1)


# --- trivial minima ----------------------------------------------------------------------------------------------


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
    observe("trivial-minima", residual=worst, case=f"{shape(z)} splits={splits} {fidelity}")
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
def test_uniformity_is_at_most_one_and_says_how_far_from_collapse(z):
    """The exponential lies under its chord on [-1, 1], so 1 - uniformity >= -log(1 - E(1 - s) sinh(1) / e)."""
    n = len(z)
    spread = torch.pdist(z).square().mean().item() / 2  # E (1 - s) over pairs of different rows
    least = -math.log1p(-min(spread * math.sinh(1) / math.e, 1 - math.exp(-2)))
    distance = 1 - uniformity(z).item()
    observe("non-collapse", residual=max(0.0, least - distance), case=f"n={n} d={z.shape[1]}")
    assert distance >= least - EXACT


@pytest.mark.statement("non-collapse")
@given(z=sphere_points(min_n=2), temperature=st.sampled_from([0.1, 0.5, 1.0]))
def test_the_constant_encoder_has_the_largest_repulsion(z, temperature):
    collapsed = constant(z)
    log_terms = math.log(2 * len(z) - 1)
    _, normaliser = info_nce_terms(collapsed, collapsed, temperature)
    residual = max(
        abs(uniformity(collapsed).item() - 1),
        relative_difference(normaliser.item(), 1 / temperature + log_terms),
        relative_difference(InfoNCE(temperature)(collapsed, collapsed).item(), log_terms),
    )
    observe("non-collapse", residual=residual, case=f"{shape(z)} temperature={temperature}")
    assert residual < EXACT
    assert uniformity(z) <= 1 + EXACT
    assert info_nce_terms(z, z, temperature)[1] <= 1 / temperature + log_terms + EXACT / temperature


@pytest.mark.statement("non-collapse")
@given(z=sphere_points(min_n=2, min_d=2, kind="uniform"))
def test_control_what_the_repulsion_tells_apart_equivariance_and_alignment_do_not(z):
    collapsed = constant(z)
    assume(torch.pdist(z).max() > 0.1)
    one_apart = constant(z).clone()
    one_apart[0] = -one_apart[0]
    for spread in (z, one_apart):
        assert Equivariance(1)(spread, spread) == Equivariance(1)(collapsed, collapsed) == 0
        assert alignment(spread, spread) == alignment(collapsed, collapsed) == 0
        assert uniformity(spread) < uniformity(collapsed) - 1e-6
        assert InfoNCE(0.5)(spread, spread) < InfoNCE(0.5)(collapsed, collapsed) - 1e-6
