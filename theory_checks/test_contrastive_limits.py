"""InfoNCE at many and at few negatives, and the configurations that minimise uniformity."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn import functional

from care_bench.losses import InfoNCE, alignment, info_nce_terms, uniformity
from theory_checks.measures import log_log_slope
from theory_checks.measures_metrics import (
    Population,
    info_nce_excess,
    largest_gap_error,
    minimise_uniformity,
    moved,
    regular_polygon,
    regular_simplex,
    simplex_error,
    uniform_gap,
)
from theory_checks.observing import Statement, observe, observe_bound, observe_counterexample, sizes
from theory_checks.strategies import make_points, seeds, sphere_points
from theory_checks.tolerances import EXACT

STATEMENTS = (
    Statement(
        id="info-nce-limit",
        text="InfoNCE - log(2B - 1) tends to -E f(a(x)).f(a'(x)) / tau + E_x log E_x' exp(f(x).f(x') / tau), "
        "the gap falling like B^-1/2 or faster (like B^-1 where embeddings are uniform).",
        source="point 6",
        verdict="holds with assumption: the logarithm stands inside the expectation over anchors",
    ),
    Statement(
        id="info-nce-log-outside",
        text="InfoNCE = invariance + uniformity in the limit, uniformity = log E_x E_x' exp(f(x).f(x')).",
        source="point 6",
        verdict="holds with assumption: E_x' exp(f(x).f(x')) is the same for all anchors; else, by Jensen, uniformity "
        "is only an upper bound",
    ),
    Statement(
        id="point-6",
        text="At finite batch InfoNCE is below invariance + uniformity, by Jensen's gap over the anchors.",
        source="point 6",
        verdict="holds with assumption: anchors differ in E exp(f(x).f(x')); the two agree where all are alike",
    ),
    Statement(
        id="info-nce-alignment",
        text="InfoNCE's invariance term at tau = 1 is E|f(a(x)) - f(a'(x))|^2 / 2 - 1, at least alignment^2 / 2 - 1.",
        source="point 6",
        verdict="holds with assumption: the two agree only where all pairs are equally far apart",
    ),
    Statement(
        id="uniformity-circle",
        text="Equally spaced points, and no others, minimise uniformity on the circle.",
        source="uniformity",
        verdict="holds with assumption: checked for n <= 8",
    ),
    Statement(
        id="uniformity-simplex",
        text="For n <= d + 1 the minimisers of uniformity are the regular simplices, all products -1 / (n - 1).",
        source="uniformity",
        verdict="holds with assumption: n <= d + 1 (n = d + 2 stays above the bound); checked for n <= 9",
    ),
    Statement(
        id="uniformity-bound",
        text="Uniformity of n points is at least -1 / (n - 1) in every dimension.",
        source="uniformity",
        verdict="holds",
    ),
)

BATCHES = (8, 16, 32, 64, 128, 256)
SEEDS = 24
STARTS = 6
SLACK = 0.1
"""Allowed error of a slope fitted over SEEDS seeds."""


# --- many negatives ----------------------------------------------------------------------------------------------


def observe_rate(slope: float, case: str) -> None:
    """Note how much slower than B^-1/2 the gap falls."""
    observe_bound("info-nce-limit", value=max(0.0, slope + 0.5), bound=SLACK, case=case)


@pytest.mark.statement("info-nce-limit")
@pytest.mark.parametrize("temperature", [0.5, 1.0])
@pytest.mark.parametrize("d", [2, 8])
def test_rate_for_uniform_embeddings(d, temperature):
    gaps = [np.mean([abs(uniform_gap(b, d, temperature, 0.5, seed)) for seed in range(SEEDS)]) for b in BATCHES]
    slope = log_log_slope(BATCHES, gaps)
    observe_rate(slope, f"d={d} tau={temperature} uniform: slope {slope:.2f}")
    assert -1.3 < slope < -0.8


def population_gaps(population: Population, temperature: float, limit: float) -> list[float]:
    """Return the mean over seeds of |InfoNCE - log(2B - 1) - limit| for every batch size."""
    loss = InfoNCE(temperature)
    return [
        np.mean([abs(loss(*population.sample(b, seed)) - math.log(2 * b - 1) - limit).item() for seed in range(SEEDS)])
        for b in BATCHES
    ]


@pytest.mark.statement("info-nce-limit")
@pytest.mark.parametrize("temperature", [0.5, 1.0])
@pytest.mark.parametrize("draw", range(3))
def test_rate_for_any_embeddings(draw, temperature):
    population = Population.draw(inputs=12, views=3, d=4, seed=draw)
    limit = population.invariance_limit(temperature) + population.log_inside(temperature)
    gaps = population_gaps(population, temperature, limit)
    slope = log_log_slope(BATCHES, gaps)
    observe_rate(slope, f"d=4 tau={temperature} draw={draw}: slope {slope:.2f}")
    assert slope < -0.5 + SLACK
    assert gaps[0] > 0.05  # at a finite batch the limit is not reached


@pytest.mark.statement("info-nce-limit")
@pytest.mark.parametrize("draw", range(3))
def test_control_a_limit_that_is_a_little_off_has_no_rate(draw):
    population = Population.draw(inputs=12, views=3, d=4, seed=draw)
    limit = population.invariance_limit(0.5) + population.log_inside(0.5)
    assert log_log_slope(BATCHES, population_gaps(population, 0.5, limit + 0.3)) > -0.2
    assert log_log_slope(BATCHES, population_gaps(population, 0.5, limit - 0.3)) > -0.2


@pytest.mark.statement("info-nce-log-outside")
@pytest.mark.parametrize("draw", range(4))
def test_with_the_logarithm_outside_as_in_the_paper_a_difference_stays_for_any_number_of_negatives(draw):
    population = Population.draw(inputs=12, views=3, d=4, seed=draw)
    jensen = population.log_outside(1.0) - population.log_inside(1.0)
    for batch in (64, 512):
        excess = np.mean([info_nce_excess(*population.sample(batch, seed)) for seed in range(8)])
        observe_counterexample("info-nce-log-outside", value=abs(excess), case=f"B={batch} d=4 draw={draw}")
        assert excess == pytest.approx(-jensen, rel=0.15)
    assert jensen > 0.01


@pytest.mark.statement("info-nce-log-outside")
@pytest.mark.parametrize("n", [2, 3, 8])
def test_control_on_a_regular_polygon_the_two_limits_agree(n):
    polygon = Population(regular_polygon(n)[:, None], torch.full((n,), 1 / n, dtype=torch.float64))
    for temperature in (0.2, 1.0):
        apart = abs(polygon.log_inside(temperature) - polygon.log_outside(temperature))
        observe("info-nce-log-outside", residual=apart, case=f"n={n} tau={temperature} regular polygon")
        assert apart <= EXACT


# --- few negatives -----------------------------------------------------------------------------------------------


@pytest.mark.statement("point-6")
@given(z=sphere_points(min_n=2), seed=seeds(), size=st.sampled_from([0.0, 0.1, 1.0]))
def test_info_nce_lies_below_invariance_plus_uniformity(z, seed, size):
    excess = info_nce_excess(z, moved(z, seed, size))
    observe("point-6", residual=max(0.0, excess), case=f"{sizes(z)} size={size}")
    assert excess < EXACT


@pytest.mark.statement("point-6")
@given(z=sphere_points(min_n=3, max_n=16, min_d=2, kind="uniform"), seed=seeds())
def test_at_finite_batch_the_identity_fails(z, seed):
    views = (z, moved(z, seed, 0.5))
    _, uniformity_term = info_nce_terms(*views, 1.0)
    assume(uniformity_term.item() - math.log(2 * len(z) - 1) < 0.9)  # not collapsed
    assert info_nce_excess(*views) < -1e-8


@pytest.mark.statement("point-6")
@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_control_the_identity_holds_where_all_anchors_are_alike(n):
    for z in (regular_polygon(n), regular_simplex(n, n)):
        excess = abs(info_nce_excess(z, z))
        observe("point-6", residual=excess, case=f"n={n} d={z.shape[1]} every anchor alike")
        assert excess < EXACT


@pytest.mark.statement("info-nce-alignment")
@given(z=sphere_points(min_n=2), seed=seeds(), size=st.sampled_from([0.0, 0.1, 1.0, 10.0]))
def test_info_nce_squares_the_distance_and_alignment_does_not(z, seed, size):
    za = moved(z, seed, size)
    invariance, _ = info_nce_terms(z, za, 1.0)
    residual = abs(invariance - ((z - za).square().sum(dim=1).mean() / 2 - 1)).item()
    observe("info-nce-alignment", residual=residual, case=f"{sizes(z)} size={size}")
    assert residual < EXACT
    assert invariance >= alignment(z, za) ** 2 / 2 - 1 - EXACT


@pytest.mark.statement("info-nce-alignment")
def test_control_one_pair_far_apart_distinguishes_the_square_from_the_distance():
    z = make_points(10, 3, 0)
    za = z.clone()
    za[0] = -za[0]  # squared distances 4 and nine zeros: 4 / 20 against (2 / 10)^2 / 2
    invariance, of_alignment = info_nce_terms(z, za, 1.0)[0].item(), alignment(z, za).item() ** 2 / 2 - 1
    observe_counterexample("info-nce-alignment", value=invariance - of_alignment, case="n=10 d=3 one pair far apart")
    assert invariance == pytest.approx(0.2 - 1)
    assert of_alignment == pytest.approx(0.02 - 1)


# --- minimisers of uniformity ------------------------------------------------------------------------------------


@pytest.mark.statement("uniformity-circle")
@pytest.mark.parametrize("n", range(2, 9))
def test_random_starts_on_the_circle_end_equally_spaced(n):
    best = uniformity(regular_polygon(n)).item()
    ends = [minimise_uniformity(n, 2, seed) for seed in range(STARTS)]
    values = np.array([end.value for end in ends])
    reached = int((values < best + EXACT).sum())
    observe("uniformity-circle", residual=max(0.0, best - values.min()), case=f"n={n}")
    assert values.min() > best - EXACT
    assert reached == STARTS
    assert max(largest_gap_error(end.points) for end in ends) < 1e-4


@pytest.mark.statement("uniformity-circle")
@given(n=st.integers(2, 8), seed=seeds(), size=st.sampled_from([1e-2, 0.1, 1.0]))
def test_every_perturbation_of_equally_spaced_points_costs(n, seed, size):
    """The cost of a small perturbation is quadratic in it, not linear."""
    polygon = regular_polygon(n)
    angles = size * torch.from_numpy(np.random.default_rng(seed).standard_normal(n))
    angles -= angles.mean()  # turning them all costs nothing
    assume(angles.abs().max() > size / 10)
    turns = torch.stack([angles.cos(), -angles.sin(), angles.sin(), angles.cos()], dim=1).reshape(n, 2, 2)
    perturbed = (turns @ polygon[:, :, None]).squeeze(2)
    cost = (uniformity(perturbed) - uniformity(polygon)).item()
    observe("uniformity-circle", residual=max(0.0, -cost), case=f"n={n} seed={seed} size={size}")
    assert 0 < cost < 4 * angles.square().sum()


@pytest.mark.statement("uniformity-circle")
def test_control_the_checks_catch_points_that_are_not_the_minimiser():
    halves = regular_polygon(8)[:4]  # on one half of the circle
    doubled = regular_polygon(4).repeat(2, 1)  # four places, two points each
    for points in (halves, doubled):
        assert uniformity(points) > uniformity(regular_polygon(len(points))) + 0.005
        assert largest_gap_error(points) > 0.1


@pytest.mark.statement("uniformity-circle", "uniformity-simplex")
def test_control_the_checks_catch_a_uniformity_that_ignores_the_sign():
    """The uniformity of lines, log E exp((f(x).f(x'))^2), has other minimisers: points on half the circle, axes."""

    def of_lines(z: torch.Tensor) -> torch.Tensor:
        return uniformity(functional.normalize((z[:, :, None] * z[:, None]).flatten(start_dim=1), dim=1))

    assert largest_gap_error(minimise_uniformity(5, 2, 0, of_lines).points) > 0.1
    assert simplex_error(minimise_uniformity(4, 4, 0, of_lines).points) > 0.1


@pytest.mark.statement("uniformity-simplex")
@pytest.mark.parametrize(("n", "d"), [(2, 2), (3, 2), (3, 5), (4, 3), (5, 4), (6, 5), (6, 8), (9, 8)])
def test_random_starts_end_in_a_regular_simplex(n, d):
    best = uniformity(regular_simplex(n, d)).item()
    assert best == pytest.approx(-1 / (n - 1), abs=EXACT)
    ends = [minimise_uniformity(n, d, seed) for seed in range(STARTS)]
    values = np.array([end.value for end in ends])
    reached = int((values < best + EXACT).sum())
    worst = abs(values - best).max()
    observe("uniformity-simplex", residual=worst, case=f"n={n} d={d}")
    assert values.min() > best - EXACT
    assert reached == STARTS
    assert max(simplex_error(end.points) for end in ends) < 1e-4


@pytest.mark.statement("uniformity-simplex")
@pytest.mark.parametrize(("n", "d"), [(4, 2), (5, 3), (7, 5)])
def test_control_one_point_too_many_stays_above_the_simplex(n, d):
    ends = [minimise_uniformity(n, d, seed) for seed in range(STARTS)]
    above = min(end.value for end in ends) + 1 / (n - 1)
    observe_counterexample("uniformity-simplex", value=above, case=f"n={n} d={d}")
    assert above > 1e-3
    assert min(simplex_error(end.points) for end in ends) > 0.1


@pytest.mark.statement("uniformity-bound")
@given(z=sphere_points(min_n=2))
def test_uniformity_is_at_least_that_of_the_simplex(z):
    least = -1 / (len(z) - 1)
    value = uniformity(z).item()
    observe("uniformity-bound", residual=max(0.0, least - value), case=sizes(z))
    assert value >= least - EXACT


@pytest.mark.statement("uniformity-bound")
@pytest.mark.parametrize("n", [2, 3, 9])
def test_control_the_bound_is_reached_and_does_not_hold_off_the_sphere(n):
    simplex = regular_simplex(n, n)
    assert uniformity(simplex).item() == pytest.approx(-1 / (n - 1), abs=EXACT)
    assert uniformity(1.1 * simplex) < -1 / (n - 1) - 1e-3
