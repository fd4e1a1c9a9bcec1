"""Means and t-intervals over pretraining seeds, the best value of several, and numbers as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean

LEVEL = 0.95
"""Confidence level of every interval in a report."""
_GUARD = 64
"""Binary digits that a square root has beyond the whole number, before it is rounded to a float."""


@dataclass(frozen=True)
class Summary:
    """Mean over n pretraining seeds; ``low`` and ``high`` bound the mean's t-interval and are None where n = 1."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def half_width(self) -> float | None:
        """Distance from the mean to either end of the interval."""
        return None if self.high is None else self.high - self.mean


def summarise(values: Sequence[float]) -> Summary:
    """Return the mean and its two-sided 95 % t-interval, from the standard deviation with ddof = 1.

    Args:
        values: one value per pretraining seed.

    Raises:
        ValueError: no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("found no values; expected one per pretraining seed")
    mean = fmean(values)
    if n == 1:
        return Summary(mean, None, None, 1)
    half = _t_quantile(n - 1) * deviation(values) / math.sqrt(n)
    return Summary(mean, mean - half, mean + half, n)


@cache
def _t_quantile(freedom: int) -> float:
    """Return half the width of an interval in standard errors, from the degrees of freedom."""
    from scipy.special import stdtrit  # slow to import, and a report of single seeds never needs it

    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation with ddof = 1, rounded once, as `statistics.stdev` does in ten times the time.

    A float is a whole number over a power of two, so that sums of squares of whole numbers are exact.

    Args:
        values: at least two.
    """
    ratios = [value.as_integer_ratio() for value in values]
    below = max(power for _, power in ratios)
    whole = [number * (below // power) for number, power in ratios]
    n = len(whole)
    squares = n * sum(number * number for number in whole) - sum(whole) ** 2  # n (n - 1) below² times the variance
    return math.isqrt((squares << 2 * _GUARD) // (n * (n - 1))) / (below << _GUARD)


def best(summaries: Sequence[Summary | None], higher_is_better: bool | None) -> int | None:
    """Index of the one value that may be called best: its interval touches no other interval.

    Args:
        summaries: the values to compare; None where there is none.
        higher_is_better: direction of the metric; None means that no value is better than another.

    Returns:
        The index, or None: no direction, fewer than two values, a value resting on one seed, or intervals that meet.
    """
    found = {index: summary for index, summary in enumerate(summaries) if summary is not None}
    if higher_is_better is None or len(found) < 2:
        return None
    sign = 1 if higher_is_better else -1
    winner = max(found, key=lambda index: sign * found[index].mean)
    top = found.pop(winner)
    return winner if all(_apart(top, other) for other in found.values()) else None


def number(value: float, unit: str) -> str:
    """Write a number for reading: two decimals for % and degrees, four digits otherwise, tiny ones with an exponent."""
    size = abs(value)
    if unit != "1":
        return f"{value:.2f}"
    if 0 < size < 0.00095:
        return f"{value:.1e}"
    return f"{value:.{1 if size >= 100 else 2 if size >= 10 else 3 if size >= 1 else 4}f}"


def summary_text(summary: Summary, unit: str) -> str:
    """Write `mean ± half-width`, or the value of one seed alone; the half-width gets the decimals of the mean.

    A half-width that would read as zero is written as below the last decimal, unless it is zero.
    """
    mean = number(summary.mean, unit)
    half = summary.half_width
    if half is None:
        return mean
    if "e" in mean:
        return f"{mean} ± {half:.1e}"
    decimals = len(mean.partition(".")[2])
    shown = f"{half:.{decimals}f}"
    if half > 0 and float(shown) == 0:
        shown = f"<{10**-decimals:.{decimals}f}"
    return f"{mean} ± {shown}"


def _apart(one: Summary, other: Summary) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low > other.high or one.high < other.low
