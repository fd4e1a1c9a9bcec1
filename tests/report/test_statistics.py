from __future__ import annotations

import math
from statistics import stdev

import numpy as np
import pytest
import scipy.stats

from care_bench.report.statistics import Summary, best, deviation, number, summarise, summary_text


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_the_interval_is_scipys(n: int, scale: float) -> None:
    values = np.random.default_rng(n).normal(3.0, scale, n)
    low, high = scipy.stats.t.interval(0.95, n - 1, loc=values.mean(), scale=scipy.stats.sem(values, ddof=1))
    found = summarise(values.tolist())
    assert found.n == n
    np.testing.assert_allclose([found.mean, found.low, found.high], [values.mean(), low, high], rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e5, 1e300])
def test_the_deviation_is_that_of_the_library_to_the_bit(scale: float) -> None:
    draws = np.random.default_rng(0)
    for n in (2, 3, 8, 30):
        for values in draws.normal(3 * scale, scale, (200, n)).tolist():
            assert deviation(values) == stdev(values)
    assert deviation([0.1] * 7) == 0
    assert deviation([1.0, 3.0]) == math.sqrt(2)


def test_an_interval_by_hand() -> None:
    # mean 92, standard deviation (ddof 1) 2, t(0.975; 2) = 4.302653: half-width 4.302653 * 2 / sqrt(3) = 4.968275
    found = summarise([90.0, 92.0, 94.0])
    assert found.mean == 92.0
    assert found.half_width == pytest.approx(4.968275, abs=1e-6)
    assert (found.low, found.high) == (pytest.approx(87.031725, abs=1e-6), pytest.approx(96.968275, abs=1e-6))


def test_one_seed_has_no_interval() -> None:
    assert summarise([0.25]) == Summary(0.25, None, None, 1)
    assert summarise([0.25]).half_width is None


def test_a_summary_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        summarise([])


def _interval(low: float, high: float) -> Summary:
    return Summary((low + high) / 2, low, high, 3)


LONE = Summary(50.0, None, None, 1)


@pytest.mark.parametrize(
    ("summaries", "higher", "expected"),
    [
        ([_interval(1, 2), _interval(3, 4)], True, 1),
        ([_interval(1, 2), _interval(3, 4)], False, 0),
        ([_interval(1, 2), _interval(3, 4)], None, None),
        ([_interval(1, 3), _interval(3, 4)], True, None),  # they touch
        ([_interval(1, 3.5), _interval(3, 4)], True, None),
        ([_interval(0, 10), _interval(4, 5), _interval(6, 7)], True, None),  # a wide one overlaps the best
        ([_interval(1, 9), _interval(2, 8), _interval(10, 11)], True, 2),  # the others may overlap each other
        ([_interval(1, 2), None, _interval(3, 4)], True, 2),
        ([_interval(1, 2), LONE], True, None),
        ([_interval(1, 2), _interval(3, 4), LONE], True, None),
        ([LONE, LONE], True, None),
        ([_interval(1, 2)], True, None),  # a single value
        ([_interval(1, 2), None], True, None),
        ([None, None], True, None),
        ([], True, None),
        ([_interval(2, 2), _interval(2, 2)], True, None),
        ([_interval(2, 2), _interval(3, 3)], True, 1),
    ],
)
def test_the_best_value_is_marked_only_if_its_interval_is_apart(
    summaries: list[Summary | None], higher: bool | None, expected: int | None
) -> None:
    assert best(summaries, higher) == expected


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (91.256, "%", "91.26"),
        (7.0, "degree", "7.00"),
        (173.25, "1", "173.2"),
        (12.3456, "1", "12.35"),
        (1.23456, "1", "1.235"),
        (-0.5, "1", "-0.5000"),
        (0.0, "1", "0.0000"),
        (0.003, "1", "0.0030"),
        (0.00012, "1", "1.2e-04"),
        (-0.00012, "1", "-1.2e-04"),
    ],
)
def test_numbers_are_written_for_reading(value: float, unit: str, text: str) -> None:
    assert number(value, unit) == text


@pytest.mark.parametrize(
    ("summary", "unit", "text"),
    [
        (Summary(91.256, None, None, 1), "%", "91.26"),
        (Summary(91.0, 90.0, 92.0, 3), "%", "91.00 ± 1.00"),
        (Summary(0.5, 0.5, 0.5, 4), "1", "0.5000 ± 0.0000"),
        (Summary(0.5, 0.49999, 0.50001, 4), "1", "0.5000 ± <0.0001"),
        (Summary(0.0001, -0.0001, 0.0003, 2), "1", "1.0e-04 ± 2.0e-04"),
    ],
)
def test_summaries_are_written_for_reading(summary: Summary, unit: str, text: str) -> None:
    assert summary_text(summary, unit) == text
