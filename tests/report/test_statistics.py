from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from care_bench.report.statistics import Summary, best, summarise


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_the_interval_is_scipys(n: int, scale: float) -> None:
    values = np.random.default_rng(n).normal(3.0, scale, n)
    low, high = scipy.stats.t.interval(0.95, n - 1, loc=values.mean(), scale=scipy.stats.sem(values, ddof=1))
    found = summarise(values.tolist())
    assert found.n == n
    np.testing.assert_allclose([found.mean, found.low, found.high], [values.mean(), low, high], rtol=1e-9)


def test_by_hand() -> None:
    # mean 92, standard deviation (ddof 1) 2, t(0.975; 2) = 4.302653: half-width 4.302653 * 2 / sqrt(3) = 4.968275
    found = summarise([90.0, 92.0, 94.0])
    assert found.mean == 92.0
    assert found.half_width == pytest.approx(4.968275, abs=1e-6)
    assert (found.low, found.high) == (pytest.approx(87.031725, abs=1e-6), pytest.approx(96.968275, abs=1e-6))


def test_one_seed_has_no_interval() -> None:
    assert summarise([0.25]) == Summary(0.25, None, None, 1)
    assert summarise([0.25]).half_width is None


def test_no_seed_is_refused() -> None:
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
        ([_interval(0, 10), _interval(4, 5), _interval(6, 7)], True, None),  # a wide one meets the best
        ([_interval(1, 9), _interval(2, 8), _interval(10, 11)], True, 2),  # the others may meet each other
        ([_interval(1, 2), None, _interval(3, 4)], True, 2),
        ([_interval(1, 2), LONE], True, None),
        ([_interval(1, 2), _interval(3, 4), LONE], True, None),
        ([LONE, LONE], True, None),
        ([_interval(1, 2)], True, None),  # best of one
        ([_interval(1, 2), None], True, None),
        ([None, None], True, None),
        ([], True, None),
        ([_interval(2, 2), _interval(2, 2)], True, None),
        ([_interval(2, 2), _interval(3, 3)], True, 1),
    ],
)
def test_best_only_where_the_intervals_allow_it(
    summaries: list[Summary | None], higher: bool | None, expected: int | None
) -> None:
    assert best(summaries, higher) == expected
