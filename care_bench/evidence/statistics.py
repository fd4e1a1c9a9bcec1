"""Statistics of paired values over pretraining seeds. Pure functions of float64 numbers.

Every function takes the effects of n pairs, one per seed, as an array (n,): see :func:`paired_effects`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scale: TypeAlias = Literal["difference", "log_ratio"]
"""How two values are compared: first - second, or log(first / second)."""
Values: TypeAlias = NDArray[np.float64]

LEVEL = 0.95
"""Confidence level of every interval."""
ALPHA = 0.05
"""Level of every test."""
EXACT = (5, 12)
"""Numbers of pairs for which all sign flips are counted. Below, no p-value can be small; above, there are too many."""
RESAMPLES = 9999
"""Bootstrap samples of an interval."""


class Interval(NamedTuple):
    """The two ends of a confidence interval."""

    low: float
    high: float


def paired_effects(first: ArrayLike, second: ArrayLike, scale: Scale = "difference") -> Values:
    """Return the effect of every pair.

    Args:
        first: values (n,), one per seed.
        second: values (n,) of the same seeds, or one value for all.
        scale: the difference, or the natural logarithm of the ratio.

    Raises:
        ValueError: values that are no numbers, another shape, or a log ratio of values that are not positive.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.ndim != 1 or other.shape not in ((), one.shape):
        raise ValueError(
            f"found values of shapes {one.shape} and {other.shape}; expected (n,) and (n,), or (n,) and ()"
        )
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ValueError("found values that are not finite; expected numbers")
    if scale == "difference":
        return one - other
    if not ((one > 0).all() and (other > 0).all()):
        raise ValueError(f"found {min(one.min(), other.min()):g} in a log ratio; expected values above 0")
    effects: Values = np.log(one) - np.log(other)
    return effects


def t_interval(effects: ArrayLike, level: float = LEVEL) -> Interval:
    """Return the two-sided t-interval of the mean effect; a point where all effects are equal.

    Args:
        effects: (n,), n at least 2.
        level: confidence level.

    Raises:
        ValueError: fewer than two effects.
    """
    from scipy.special import stdtrit  # slow to import, and a report without claims never needs it

    found = _checked(effects)
    mean = float(found.mean())
    half = float(stdtrit(len(found) - 1, (1 + level) / 2)) * _standard_error(found)
    return Interval(mean - half, mean + half)


def bca_interval(effects: ArrayLike, level: float = LEVEL, seed: int = 0) -> Interval:
    """Return the bias-corrected and accelerated bootstrap interval of the mean (Efron 1987).

    It assumes no normal distribution, but is too narrow for few pairs.

    Args:
        effects: (n,), n at least 2.
        level: confidence level.
        seed: of the resampling, so that the same effects give the same interval.

    Raises:
        ValueError: fewer than two effects.
    """
    from scipy.special import ndtr, ndtri

    found = _checked(effects)
    n, mean = len(found), found.mean()
    one_left_out = np.broadcast_to(found, (n, n))[~np.eye(n, dtype=bool)].reshape(n, n - 1).mean(axis=1)
    influence = (n - 1) * (one_left_out.mean() - one_left_out)
    if np.ptp(found) == 0 or not influence.any():  # equal, or to rounding
        return Interval(float(found.min()), float(found.max()))
    drawn = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
    means = np.sort(found[drawn].mean(axis=1))
    below = (np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)) / (2 * RESAMPLES)
    acceleration = 1 / 6 * ((influence**3).sum() / n**3) / ((influence**2).sum() / n**2) ** 1.5
    bias, z = ndtri(below), ndtri((1 - level) / 2)
    shares = [ndtr(bias + (bias + end) / (1 - acceleration * (bias + end))) for end in (z, -z)]
    return Interval(*(_sample_quantile(means, share) for share in shares))


def t_p_value(effects: ArrayLike) -> float:
    """Return the two-sided p-value of a t-test that the mean effect is 0; it is below 0.05 where the interval is off 0.

    Args:
        effects: (n,), n at least 2.

    Raises:
        ValueError: fewer than two effects.
    """
    found = _checked(effects)
    return 2 * _t_tail(abs(float(found.mean())), found)


def sign_flip_p_value(effects: ArrayLike) -> float:
    """Return the exact two-sided p-value of the sign-flip permutation test.

    If the two members of a pair are exchangeable, every effect is as likely as its negative. The p-value is the share
    of all 2^n sign flips whose mean is at least as far from 0 as the one that was found. It is never below 2 / 2^n.

    Args:
        effects: (n,), n from 5 to 12.

    Raises:
        ValueError: fewer or more effects.
    """
    found = _checked(effects)
    n, (fewest, most) = len(found), EXACT
    if not fewest <= n <= most:
        raise ValueError(f"found {n} pairs; expected {fewest} to {most} for the exact sign-flip test")
    signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    sums = np.abs(signs @ found)
    rounding = n * np.finfo(np.float64).eps * float(np.abs(found).sum())
    return float(np.mean(sums >= sums[0] - rounding))


def best_p_value(ours: ArrayLike, others: ArrayLike) -> float:
    """Return the p-value that the largest mean is one of ours; 1 where it is not.

    One of ours has to be above every other: the largest p-value of its two-sided t-tests against them counts. Any of
    ours could have been that one, so it counts as many times as there are of ours (Bonferroni).

    Args:
        ours: (n, k), values of the same n seeds in each row of a table, n at least 2.
        others: (n, m).

    Raises:
        ValueError: fewer than two seeds.
    """
    one, other = np.asarray(ours, np.float64), np.asarray(others, np.float64)
    found = [max(_p_above(column - against) for against in other.T) for column in one.T]
    return min(1.0, len(found) * min(found))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for the number of tests of a family (Holm 1979), in their order.

    Rejecting where the adjusted value is at most α keeps the chance of any false rejection in the family at α.

    Raises:
        ValueError: a number outside [0, 1].
    """
    if wrong := [p for p in p_values if not 0 <= p <= 1]:
        raise ValueError(f"found the p-value {wrong[0]}; expected one in [0, 1]")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def equivalence_p_value(effects: ArrayLike, margin: float) -> float:
    """Return the p-value of two one-sided t-tests that the mean effect lies in (-margin, margin) (Schuirmann 1987).

    At most 0.05 means that the effect is within the margin, as the 90 % t-interval then is.

    Args:
        effects: (n,), n at least 2.
        margin: above 0.

    Raises:
        ValueError: fewer than two effects, or a margin that is not positive.
    """
    found = _checked(effects)
    if not margin > 0:
        raise ValueError(f"found the margin {margin:g}; expected one above 0")
    mean = float(found.mean())
    return max(_t_tail(margin - mean, found), _t_tail(margin + mean, found))


def _p_above(effects: Values) -> float:
    return t_p_value(effects) if effects.mean() > 0 else 1.0


def _checked(effects: ArrayLike) -> Values:
    found: Values = np.asarray(effects, np.float64)
    if found.ndim != 1 or len(found) < 2:
        raise ValueError(f"found effects of shape {found.shape}; expected (n,) with n at least 2")
    return found


def _sample_quantile(ordered: Values, share: float) -> float:
    """Return the quantile of rising values, interpolated between the two beside it."""
    weight, after = math.modf(share * len(ordered) + (1 - share))
    low, high = ordered[int(after) - 1], ordered[min(int(after), len(ordered) - 1)]
    return float((1 - weight) * low + weight * high)


def _standard_error(effects: Values) -> float:
    """Return that of the mean; 0 where all effects are equal, whatever their mean rounds to."""
    return 0.0 if np.ptp(effects) == 0 else float(effects.std(ddof=1)) / math.sqrt(len(effects))


def _t_tail(distance: float, effects: Values) -> float:
    """Return the chance that a mean of such effects, around 0, is above a distance.

    Of effects that are all equal, which a normal distribution does not give, it is the chance that n signs are alike.
    """
    from scipy.special import stdtr

    error = _standard_error(effects)
    if error == 0:
        return 0.5 if distance == 0 else 1.0 if distance < 0 else 2.0 ** -len(effects)
    return float(stdtr(len(effects) - 1, -distance / error))
