"""One comparison of the rules: its effect, interval and p-values, and the side on which it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from pydantic import BaseModel

from care_bench.artifacts.json_lines import STRICT
from care_bench.config.claims import Comparison, Sweep
from care_bench.evidence.pairs import Cell, Index, Paired, left_out, measure_of, numbers
from care_bench.evidence.statistics import (
    ALPHA,
    EXACT,
    RESAMPLES,
    Values,
    bca_interval,
    best_p_value,
    equivalence_p_value,
    sign_flip_p_value,
    t_interval,
    t_p_value,
)
from care_bench.names import Representation

Side: TypeAlias = Literal["for", "against", "neither"]
Effect: TypeAlias = Literal["difference", "ratio", "value", "share of draws", "share of bootstrap samples"]
SWEPT: Effect = "share of bootstrap samples"
"""Of a sweep."""


class Finding(BaseModel):
    """What one comparison found under one protocol.

    Attributes:
        row: the variant that the claim speaks for; those of a sweep.
        against: its opponent, "" for a value on its own; several where one is interpolated between them.
        kind: what ``effect`` is. A ratio is the geometric mean over the seeds.
        effect: mean over the seeds; None where there is none.
        low: lower end of the 95 % t-interval.
        high: its upper end.
        bca_low: lower end of the 95 % bootstrap interval (BCa), which decides nothing.
        bca_high: its upper end.
        p: two-sided p-value of the t-test that the effect is what divides the two sides; for an equivalence, that of
            two one-sided tests; for a sweep, that of the t-tests of the best row on one side against all on the other.
        p_exact: exact two-sided p-value of the sign-flip test of the same; None for other than 5 to 12 seeds, for
            an equivalence and for a sweep.
        seeds: pretraining seeds of the pairs.
        missing: which of the seeds that decide are left out, and why; "" if none is.
        side: "for" or "against" the claim, or "neither".
        run: whether there were enough values.
        blocked: whether something stands in the way of a side although there are values, such as a guard.
        reason: why it is on neither side.
        records: ids of the records behind it.
    """

    model_config = STRICT

    row: str
    against: str
    dataset: str
    protocol: str
    metric: str
    representation: Representation
    epoch: int | None
    kind: Effect
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    bca_low: float | None = None
    bca_high: float | None = None
    p: float | None = None
    p_exact: float | None = None
    seeds: tuple[int, ...] = ()
    missing: str = ""
    side: Side = "neither"
    run: bool = True
    blocked: bool = False
    reason: str = ""
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A finding with the p-values that the verdict of a claim takes together: 1 where nothing speaks for that side."""

    finding: Finding
    p_for: float = 1.0
    p_against: float = 1.0

    def p(self, side: Side) -> float:
        """Return the p-value of a side, which is not "neither"."""
        return self.p_for if side == "for" else self.p_against


def judge(comparison: Comparison, cell: Cell, protocol: str, paired: Paired) -> Judged:
    """Say on which side the effects of a cell are.

    They are on the claim's side if their 95 % t-interval is wholly there, their mean reaches the smallest effect worth
    having, and the exact test agrees: its p-value is at most 0.05, or the lowest that so few seeds allow. What a guard
    objects to is on neither side, with its effect and intervals, and without a p-value.
    """
    about = Finding(
        row=cell.row,
        against=" ~ ".join(cell.opponents),
        dataset=cell.dataset,
        protocol=protocol,
        metric=comparison.metric,
        representation=cell.representation,
        epoch=cell.epoch,
        kind=_kind(comparison, cell),
        seeds=paired.seeds,
        missing=paired.missing,
        records=paired.records,
    )
    if paired.absent:
        return Judged(about.model_copy(update={"run": False, "reason": paired.absent}))
    if paired.blocked:
        about = about.model_copy(update={"blocked": True, "reason": paired.blocked})
    if not len(paired.effects):
        return Judged(about)
    interval, bca = t_interval(paired.effects), bca_interval(paired.effects)
    shown = np.exp if comparison.scale == "log_ratio" else np.asarray
    keys = ("effect", "low", "high", "bca_low", "bca_high")
    ends = (float(paired.effects.mean()), *interval, *bca)
    measured = {key: float(shown(end)) for key, end in zip(keys, ends, strict=True)}
    if about.blocked:
        return Judged(about.model_copy(update=measured))
    decide = _equivalence if comparison.margin is not None else _direction
    decided, p_for, p_against = decide(comparison, paired.effects)
    return Judged(about.model_copy(update={**measured, **decided}), p_for, p_against)


def judge_sweep(sweep: Sweep, index: Index, dataset: str, protocol: str, least: int) -> Judged:
    """Say how often the best row of a sweep lies inside, over bootstrap samples of the seeds; ties count in parts.

    The share says on which side the sweep is. It is no p-value, since all samples of a few seeds often agree by chance;
    those are of :func:`care_bench.evidence.statistics.best_p_value`.
    """
    cell = Cell(", ".join(sweep.rows), (), dataset, sweep.representation, None)
    found = [index.of(row, cell, protocol, sweep.metric) for row in sweep.rows]
    seeds = sorted(set.intersection(*map(set, found)))
    about = Finding(
        row=cell.row,
        against="",
        dataset=dataset,
        protocol=protocol,
        metric=sweep.metric,
        representation=sweep.representation,
        epoch=None,
        kind=SWEPT,
        seeds=tuple(seeds),
        missing=left_out(index.missing(sweep.rows, cell, measure_of(protocol, sweep.metric, cell))),
        records=tuple(records[seed].id for records in found for seed in seeds),
    )
    if len(seeds) < least:
        absent = [row for row, records in zip(sweep.rows, found, strict=True) if not records]
        reason = f"no values of {absent[0]}" if absent else f"{len(seeds)} pairs of seeds; at least {least} are needed"
        return Judged(about.model_copy(update={"run": False, "reason": reason}))
    values = np.stack([numbers(records, seeds) for records in found], axis=1) * (
        1 if sweep.direction == "higher" else -1
    )
    drawn = np.random.default_rng(0).integers(0, len(seeds), (RESAMPLES, len(seeds)))
    means = values[drawn].mean(axis=1)
    best = np.isclose(means, means.max(axis=1, keepdims=True), rtol=1e-12, atol=0)
    low, high = sweep.inside
    inside = np.array([sweep.holds(setting) for setting in sweep.rows.values()])
    share = float(((best & inside).sum(axis=1) / best.sum(axis=1)).mean())
    side: Side = "for" if share >= sweep.share else "against" if share <= 1 - sweep.share else "neither"
    reason = "" if side != "neither" else f"the best row lies in [{low:g}, {high:g}] in {100 * share:.0f} % of samples"
    here, elsewhere = values[:, inside], values[:, ~inside]
    p_for, p_against = best_p_value(here, elsewhere), best_p_value(elsewhere, here)
    update = {"effect": share, "p": min(p_for, p_against), "side": side, "reason": reason}
    return Judged(about.model_copy(update=update), p_for, p_against)


def _kind(comparison: Comparison, cell: Cell) -> Effect:
    if comparison.of == "share_of_draws":
        return "share of draws"
    if not cell.opponents:
        return "value"
    return "ratio" if comparison.scale == "log_ratio" else "difference"


def _direction(comparison: Comparison, effects: Values) -> tuple[dict[str, object], float, float]:
    """Decide a claim of one side; also return its p-values for and against."""
    scale = math.log if comparison.scale == "log_ratio" else float
    sign = -1 if comparison.direction == "lower" and comparison.of == "value" else 1
    towards: Values = sign * (effects - scale(comparison.divide))
    worth = sign * (scale(comparison.worth) - scale(comparison.divide))
    interval, p, mean = t_interval(towards), t_p_value(towards), float(towards.mean())
    n, (fewest, most) = len(towards), EXACT
    p_exact = sign_flip_p_value(towards) if fewest <= n <= most else None
    agrees = p_exact is None or p_exact <= max(ALPHA, 2 / 2**n)
    side: Side = "neither"
    reason = ""
    if interval.low <= 0 <= interval.high:
        reason = "its interval has both sides in it"
    elif not agrees:
        reason = f"the exact test does not agree with the interval (p = {p_exact:.2g})"
    elif mean < 0:
        side = "against"
    elif mean < worth:
        reason = f"its mean does not reach {comparison.worth:g}, the smallest effect worth having"
    else:
        side = "for"
    found: dict[str, object] = {"p": p, "p_exact": p_exact, "side": side, "reason": reason}
    return found, p if mean > 0 else 1.0, p if mean < 0 else 1.0


def _equivalence(comparison: Comparison, effects: Values) -> tuple[dict[str, object], float, float]:
    """Decide a claim of no difference; also return its p-values for and against."""
    size = comparison.margin or 0.0
    margin = math.log(size) if comparison.scale == "log_ratio" else size
    p, interval, mean = equivalence_p_value(effects, margin), t_interval(effects), float(effects.mean())
    outside = interval.low > margin or interval.high < -margin
    side: Side = "for" if p <= ALPHA else "against" if outside else "neither"
    beyond = t_p_value(effects - math.copysign(margin, mean)) if abs(mean) > margin else 1.0
    reason = "" if side != "neither" else "its interval has both sides of the margin in it"
    return {"p": p, "side": side, "reason": reason}, p, beyond
