"""How far the effects of claims depend on the test samples, beside their intervals over seeds. It decides nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from care_bench.artifacts.resamples import Resampled, Resamples
from care_bench.config.claims import Claim, Comparison
from care_bench.evidence.findings import Finding, Judged
from care_bench.evidence.ledger import Verdict
from care_bench.evidence.pairs import Cell, cells, effects_of
from care_bench.evidence.statistics import ALPHA, LEVEL, Interval
from care_bench.evidence.weighing import weigh


@dataclass(frozen=True)
class Sampling:
    """An effect over test samples; the ends of intervals are on the scale of the finding.

    Attributes:
        error: standard error over test samples of the mean over the seeds; of a ratio, that of its logarithm.
        samples: 95 % interval over test samples, with these seeds.
        both: 95 % interval over seeds and test samples.
        stands: whether ``both`` leaves the finding on its side; None where it is on neither.
    """

    error: float
    samples: Interval
    both: Interval
    stands: bool | None


@dataclass(frozen=True)
class _One:
    """A run on one part of the test samples, as effects read it."""

    seed: int
    value: float | None
    values: Sequence[float] | None


class Parts:
    """What the runs of a collection measured on parts of the test samples."""

    def __init__(self, lines: Iterable[Resamples]) -> None:
        self._found: dict[tuple[object, ...], dict[int, Resampled]] = {}
        self._factor: dict[str, float] = {}
        for line in lines:
            self._factor[line.dataset] = line.kept / (line.units - line.kept)
            for one in line.found:
                place = (line.dataset, line.variant, *one.place)
                self._found.setdefault(place, {})[line.seed] = one

    def of(self, row: str, cell: Cell, protocol: str, metric: str, representation: str) -> Mapping[int, Resampled]:
        """Return a metric of a row by seed; empty where it is not there."""
        return self._found.get((cell.dataset, row, cell.epoch, protocol, representation, metric), {})

    def error(self, dataset: str, effects: Sequence[float]) -> float:
        """Return the standard error of the whole test set's effect, from those of its parts."""
        return math.sqrt(self._factor[dataset] * float(np.var(effects, ddof=1)))


def sampling_of(verdict: Verdict, claim: Claim, parts: Parts) -> tuple[Sampling | None, ...]:
    """Return one for each finding of a verdict, None where the parts say nothing of it, such as of a sweep."""
    places = [(one, cell, protocol) for one in claim.comparisons for cell in cells(one) for protocol in one.protocols]
    sweep = (None,) * (len(verdict.findings) - len(places))
    return (
        *(
            _sampling(one, cell, protocol, claim, finding, parts)
            for (one, cell, protocol), finding in zip(places, verdict.findings, strict=False)
        ),
        *sweep,
    )


def _sampling(
    comparison: Comparison, cell: Cell, protocol: str, claim: Claim, finding: Finding, parts: Parts
) -> Sampling | None:
    if finding.effect is None or finding.low is None or finding.high is None:
        return None
    names = (cell.row, *cell.opponents)
    found = [parts.of(name, cell, protocol, comparison.metric, cell.representation) for name in names]
    movement: list[Mapping[int, Resampled]] = []
    if comparison.matched and (by := claim.guards.movement):
        movement = [parts.of(name, cell, by.protocol, by.metric, by.representation) for name in names]
    if any(not set(finding.seeds) <= set(one) for one in (*found, *movement)):
        return None
    effects = []
    for number in range(len(found[0][finding.seeds[0]].values)):
        own, by_movement = ([_on_part(one, number) for one in group] for group in (found, movement))
        of_seeds, problem = effects_of(comparison, own, by_movement, finding.seeds)
        if problem:  # such as a row that moves further than all rows it is matched by
            return None
        effects.append(float(of_seeds.mean()))
    error = parts.error(cell.dataset, effects)
    return _beside(comparison, finding, error, len(effects))


def _on_part(runs: Mapping[int, Resampled], number: int) -> dict[int, _One]:
    return {
        seed: _One(seed, one.values[number], one.draws[number] if one.draws else None) for seed, one in runs.items()
    }


def _beside(comparison: Comparison, finding: Finding, error: float, number: int) -> Sampling:
    """Put a standard error beside the interval of a finding.

    The two half-widths add in squares. What seeds and samples do together is in both, so that it counts twice.
    """
    to, back = (math.log, math.exp) if comparison.scale == "log_ratio" else (float, float)
    low, middle, high = (to(end) for end in (finding.low, finding.effect, finding.high) if end is not None)
    over_seeds = (high - low) / 2
    over_samples = _quantile(number, LEVEL) * error
    samples, both = _around(middle, over_samples), _around(middle, math.hypot(over_seeds, over_samples))
    ends, sides = both, [to(comparison.divide)]
    if comparison.margin is not None:
        sides = [-to(comparison.margin), to(comparison.margin)]
        if finding.side == "for":  # two one-sided tests
            widths = ((over_seeds, len(finding.seeds)), (over_samples, number))
            level = 1 - 2 * ALPHA
            halves = [half * _quantile(n, level) / _quantile(n, LEVEL) for half, n in widths]
            ends = _around(middle, math.hypot(*halves))
    stands = not any(ends.low <= side <= ends.high for side in sides)
    samples, both = (Interval(back(one.low), back(one.high)) for one in (samples, both))
    return Sampling(error, samples, both, stands if finding.side != "neither" else None)


def keeps_sides(verdict: Verdict, claim: Claim, beside: Sequence[Sampling | None]) -> bool | None:
    """Return whether a verdict rests on sides that stand over test samples too.

    None where it is neither supported nor contradicted, or where a comparison on a side has no interval over samples.
    """
    found = list(zip(verdict.findings, beside, strict=True))
    if verdict.verdict not in ("supported", "contradicted") or any(
        one.side != "neither" and sampling is None for one, sampling in found
    ):
        return None
    left = iter(
        Judged(one if sampling is None or sampling.stands else one.model_copy(update={"side": "neither"}))
        for one, sampling in found
    )
    sizes = [len(one.protocols) for one in claim.comparisons for _ in cells(one)]
    if claim.sweep:
        sizes += [len(claim.sweep.protocols)] * len(claim.sweep.datasets)
    groups = [list(islice(left, size)) for size in sizes]
    return weigh(claim, groups).side == ("for" if verdict.verdict == "supported" else "against")


def _quantile(number: int, level: float) -> float:
    """Return half the width of an interval from so many values, in standard errors."""
    from scipy.special import stdtrit

    return float(stdtrit(number - 1, (1 + level) / 2))


def _around(middle: float, half: float) -> Interval:
    return Interval(middle - half, middle + half)
