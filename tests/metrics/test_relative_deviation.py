from __future__ import annotations

import math

import numpy as np
import pytest

from care_bench.metrics import relative_deviation


def test_agrees_with_the_residuals_of_a_fitted_line():
    values = np.random.default_rng(0).uniform(1, 2, 61) + np.linspace(3, 0, 61)
    later = values[31:]  # 61 steps: the first 31, the last 30
    line = np.polyval(np.polyfit(np.arange(30), later, 1), np.arange(30))
    expected = np.sqrt(((later - line) ** 2).sum() / 28) / later.mean()
    assert relative_deviation(values.tolist()) == pytest.approx(expected, rel=1e-10)


def test_a_steady_fall_is_no_deviation_and_the_first_half_does_not_count():
    values = [*np.random.default_rng(0).uniform(1, 2, 20), *np.linspace(3, 1, 20)]
    assert relative_deviation(values) == pytest.approx(0, abs=1e-12)


def test_by_hand():
    # Ten steps 1 -1 -1 1 1 -1 -1 1 0 0 around 4: their products with -4.5 ... 4.5 sum up to -4.5 + 3.5 + 2.5 - 1.5
    # - 0.5 - 0.5 - 1.5 + 2.5 = 0, so the line is flat, at 4. Residuals 8 over 10 - 2: deviation 1, over the mean 4.
    values = [9.0] * 10 + [4.0 + one for one in (1, -1, -1, 1, 1, -1, -1, 1, 0, 0)]
    assert relative_deviation(values) == pytest.approx(0.25, rel=1e-12)


def test_the_mean_of_eight_draws_is_steadier_by_the_root_of_eight():
    draws = np.random.default_rng(0).exponential(size=(20_000, 8))
    ratio = relative_deviation(draws[:, 0].tolist()) / relative_deviation(draws.mean(axis=1).tolist())
    assert ratio == pytest.approx(math.sqrt(8), rel=0.05)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0] * 19, "19 steps of training; expected at least 20"),
        ([0.0] * 20, "mean 0 in the second half of training; expected one above 0"),
        ([1.0] * 19 + [math.nan], "not finite"),
    ],
)
def test_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        relative_deviation(values)
