"""Statistics of paired values, against scipy and cases worked out by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from care_bench.evidence.statistics import (
    RESAMPLES,
    bca_interval,
    best_p_value,
    equivalence_p_value,
    holm,
    paired_effects,
    sign_flip_p_value,
    t_interval,
    t_p_value,
)

EFFECTS = np.array([0.3, -0.1, 0.8, 0.4, 1.1, 0.2, 0.05, 0.6])


def test_effects_are_differences_or_log_ratios() -> None:
    assert paired_effects([3.0, 8.0], [1.0, 10.0]).tolist() == [2.0, -2.0]
    assert paired_effects([2.0, 1.0], [1.0, 4.0], "log_ratio") == pytest.approx([math.log(2), -math.log(4)])
    assert paired_effects([2.0, 1.0], 0.5).tolist() == [1.5, 0.5]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0, 0.0], [1.0, 1.0], r"found 0 in a log ratio; expected values above 0"),
        ([1.0, 2.0], [1.0], r"shapes \(2,\) and \(1,\); expected \(n,\) and \(n,\)"),
        ([1.0, math.nan], [1.0, 1.0], r"not finite"),
    ],
)
def test_values_that_cannot_be_paired(first: list[float], second: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_effects(first, second, "log_ratio")


def test_the_t_interval_is_that_of_scipy() -> None:
    expected = stats.t.interval(0.95, 7, EFFECTS.mean(), stats.sem(EFFECTS))
    assert t_interval(EFFECTS) == pytest.approx(expected, rel=1e-12)
    assert t_p_value(EFFECTS) == pytest.approx(stats.ttest_1samp(EFFECTS, 0).pvalue, rel=1e-12)
    # By hand: mean 2, deviation 1, and the 97.5 % point of t with 2 degrees of freedom is 4.3027.
    assert t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))


def test_the_bca_interval_is_that_of_the_formula() -> None:
    """BCa worked out here: bias correction from the bootstrap means, acceleration from the jackknife."""
    n, rng = len(EFFECTS), np.random.default_rng(1)
    means = EFFECTS[rng.integers(0, n, (200_000, n))].mean(axis=1)
    below = (np.mean(means < EFFECTS.mean()) + np.mean(means <= EFFECTS.mean())) / 2
    jackknife = (EFFECTS.sum() - EFFECTS) / (n - 1)
    away = jackknife.mean() - jackknife
    acceleration = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    bias, z = stats.norm.ppf(below), stats.norm.ppf([0.025, 0.975])
    points = stats.norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
    assert bca_interval(EFFECTS) == pytest.approx(tuple(np.quantile(means, points)), abs=0.01)
    assert bca_interval(EFFECTS) == bca_interval(EFFECTS), "the resampling is not seeded"


@pytest.mark.parametrize("n", [2, 5, 8, 13])
def test_the_bca_interval_is_that_of_scipy(n: int) -> None:
    draws = np.random.default_rng(n)
    for effects in (draws.normal(0.3, 1.0, n), draws.exponential(1e-3, n), draws.integers(0, 3, n) + np.arange(n) / 7):
        found = stats.bootstrap(
            (effects,), np.mean, n_resamples=RESAMPLES, method="BCa", random_state=np.random.default_rng(0)
        ).confidence_interval
        assert bca_interval(effects) == pytest.approx((found.low, found.high), rel=1e-12)


def test_equal_effects_have_a_point_as_interval() -> None:
    equal = [0.1] * 7  # their mean is not 0.1 in floating point
    assert t_interval(equal) == pytest.approx((0.1, 0.1))
    assert bca_interval(equal) == (0.1, 0.1)
    assert t_p_value(equal) == sign_flip_p_value(equal) == 2 / 2**7  # seven signs are alike, and nothing else is known
    assert equivalence_p_value(equal, 0.2) == 1 / 2**7
    assert equivalence_p_value(equal, 0.05) == 1
    assert t_p_value([0.0] * 7) == 1
    assert sign_flip_p_value([0.0] * 7) == 1


def test_sign_flips_by_hand() -> None:
    # All positive: only the data and its mirror image are that far from 0.
    assert sign_flip_p_value([1.0, 2.0, 3.0, 4.0, 5.0]) == 2 / 32
    # -1 + 2 + 3 + 4 + 5 = 13. At least 13: flip nothing (15), or 1 alone (13); and their mirror images.
    assert sign_flip_p_value([-1.0, 2.0, 3.0, 4.0, 5.0]) == 4 / 32
    # Ties that floating point would miss: 0.1 + 0.2 - 0.3 is not 0.
    assert sign_flip_p_value([0.1, 0.2, -0.3, 0.1, -0.1]) == 1


@pytest.mark.parametrize("n", [5, 8, 12])
def test_sign_flips_are_those_of_scipy(n: int) -> None:
    effects = np.random.default_rng(n).normal(0.4, 1, n)
    expected = stats.permutation_test((effects, np.zeros(n)), lambda a, b: np.mean(a - b), permutation_type="samples")
    assert sign_flip_p_value(effects) == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("n", [4, 13])
def test_sign_flips_of_too_few_or_many_pairs(n: int) -> None:
    with pytest.raises(ValueError, match=f"found {n} pairs; expected 5 to 12"):
        sign_flip_p_value(np.ones(n))


def test_holm_by_hand() -> None:
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2 (not below its predecessor), 0.4 x 1.
    assert holm([0.03, 0.01, 0.4, 0.02]) == pytest.approx([0.06, 0.04, 0.4, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(ValueError, match=r"found the p-value 1\.5"):
        holm([0.1, 1.5])


def test_holm_keeps_the_chance_of_any_false_rejection() -> None:
    drawn = np.random.default_rng(0).random((4000, 6))
    rejected = np.mean([min(holm(list(row))) <= 0.05 for row in drawn])
    assert rejected == pytest.approx(1 - (1 - 0.05 / 6) ** 6, abs=0.01)


def test_two_one_sided_tests_are_those_of_scipy() -> None:
    for margin in (0.3, 0.8, 2.0):
        below = stats.ttest_1samp(EFFECTS, margin, alternative="less").pvalue
        above = stats.ttest_1samp(EFFECTS, -margin, alternative="greater").pvalue
        assert equivalence_p_value(EFFECTS, margin) == pytest.approx(max(below, above), rel=1e-9)
    # The 90 % interval ends at the margin where p is 0.05.
    assert equivalence_p_value(EFFECTS, t_interval(EFFECTS, 0.9).high) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="found the margin 0; expected one above 0"):
        equivalence_p_value(EFFECTS, 0)


@pytest.mark.parametrize("function", [t_interval, bca_interval, t_p_value, sign_flip_p_value])
def test_one_pair_has_no_statistics(function: object) -> None:
    with pytest.raises(ValueError, match=r"found effects of shape \(1,\); expected \(n,\) with n at least 2"):
        function([1.0])  # type: ignore[operator]


def test_coverage_of_the_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    """The t-interval covers as it says; BCa's is too narrow for few pairs, which is why it decides nothing."""
    rng, runs, lines = np.random.default_rng(0), 1000, []
    draws = {"normal": rng.normal, "uniform": rng.uniform, "exponential": rng.exponential}
    means = {"normal": 0.0, "uniform": 0.5, "exponential": 1.0}
    for (name, draw), n in itertools.product(draws.items(), (5, 8)):
        samples = draw(size=(runs, n))
        t = np.array([t_interval(sample) for sample in samples])
        covered = float(np.mean((t[:, 0] <= means[name]) & (means[name] <= t[:, 1])))
        few = samples[:100]
        bca = np.array([bca_interval(sample) for sample in few])
        narrow = float(np.mean((bca[:, 0] <= means[name]) & (means[name] <= bca[:, 1])))
        lines.append(f"{name}, {n} pairs: t covers {covered:.3f} of {runs}, BCa {narrow:.3f} of {len(few)}")
        if name == "normal":
            assert covered == pytest.approx(0.95, abs=0.021), lines[-1]  # three standard errors
            assert narrow < covered
    with capsys.disabled():
        print("", *lines, sep="\n")


def test_effects_that_are_equal_to_rounding_have_a_point_as_interval() -> None:
    effects = np.array([1.0, 1.0, 1.0, 1.0, 1.0 + 2**-52])
    low, high = bca_interval(effects)
    assert 1 <= low <= high <= 1 + 2**-52


def test_the_largest_mean_is_tested_against_all_others() -> None:
    rng = np.random.default_rng(3)
    ours, others = rng.standard_normal((8, 2)) + np.array([1.5, 0]), rng.standard_normal((8, 3))
    against = [stats.ttest_rel(ours[:, 0], other).pvalue for other in others.T]
    assert ours.mean(axis=0).argmax() == 0
    assert best_p_value(ours, others) == pytest.approx(2 * max(against), rel=1e-9)
    assert best_p_value(others, ours) == 1


@pytest.mark.parametrize(("seeds", "ours", "others"), [(5, 1, 1), (8, 3, 2), (5, 2, 4)])
def test_chance_decides_which_mean_is_largest_at_most_once_in_twenty(seeds: int, ours: int, others: int) -> None:
    """With both sides tested, on 4,000 draws without any difference, whose share has a standard error of 0.34 %."""
    draws = np.random.default_rng(0).standard_normal((4000, seeds, ours + others))
    found = [
        min(best_p_value(one[:, :ours], one[:, ours:]), best_p_value(one[:, ours:], one[:, :ours])) for one in draws
    ]
    assert np.mean(np.array(found) <= 0.05) <= 0.06
