"""From the comparisons of a claim to the claim: all of them, or any of them, and its p-value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from care_bench.config.claims import Claim
from care_bench.evidence.findings import Judged, Side


@dataclass(frozen=True)
class Weight:
    """The side of one or several comparisons, with p-values for and against the claim.

    Attributes:
        run: whether all of them had enough values.
        side: for, against, or neither.
        p_for: small where the comparisons are on the claim's side.
        p_against: small where they are on the other.
    """

    run: bool
    side: Side
    p_for: float
    p_against: float

    @property
    def p(self) -> float:
        """That of the side which it is nearer to."""
        return min(self.p_for, self.p_against)


def weigh(claim: Claim, groups: Sequence[Sequence[Judged]]) -> Weight:
    """Take the judgements of a claim together.

    Args:
        claim: the rule; its sweep has to hold beside the comparisons.
        groups: judgements under protocols that have to agree, those of the sweep last.
    """
    if not groups:
        return Weight(False, "neither", 1.0, 1.0)
    found = [agreed(group) for group in groups]
    sweeps = len(claim.sweep.datasets) if claim.sweep else 0
    compared, swept = found[: len(found) - sweeps], found[len(found) - sweeps :]
    return all_of(compared + swept) if claim.quantifier == "all" else all_of([any_of(compared), *swept])


def deciding(claim: Claim, side: Side, groups: Sequence[Sequence[Judged]]) -> int:
    """Return the place of the group that the p-value of a claim comes from.

    Where all groups have to be on a side it is the least clear of them, where one is enough the clearest.

    Args:
        claim: the rule.
        side: that of the claim, as :func:`weigh` found it: "for" or "against".
        groups: as of :func:`weigh`.
    """
    p = {place: max(one.p(side) for one in group) for place, group in enumerate(groups) if agreed(group).side == side}
    compared = len(groups) - (len(claim.sweep.datasets) if claim.sweep else 0)
    least_clear, clearest = (max, min) if side == "for" else (min, max)
    if claim.quantifier == "any":  # the comparisons are one statement, which holds beside each of the sweep
        inner = [place for place in p if place < compared]
        if inner:
            place = clearest(inner, key=p.__getitem__)
            among = compared if side == "for" else 1
            p = {place: min(1.0, among * p[place]), **{one: p[one] for one in p if one >= compared}}
    return least_clear(p, key=p.__getitem__)


def agreed(group: Sequence[Judged]) -> Weight:
    """Return what several protocols say together: neither side unless all are on it."""
    sides = {one.finding.side for one in group}
    side: Side = sides.pop() if len(sides) == 1 else "neither"
    run = all(one.finding.run for one in group)
    return Weight(run, side, max(one.p_for for one in group), max(one.p_against for one in group))


def all_of(found: Sequence[Weight]) -> Weight:
    """All have to be for the claim; one against it is enough to contradict it."""
    sides = [one.side for one in found]
    side: Side = "against" if "against" in sides else "for" if set(sides) == {"for"} else "neither"
    p_for, p_against = max(one.p_for for one in found), _clearest(found, "against")
    return Weight(all(one.run for one in found), side, p_for, min(1.0, len(found) * p_against))


def any_of(found: Sequence[Weight]) -> Weight:
    """One for the claim is enough; all have to be against it to contradict it."""
    sides = [one.side for one in found]
    side: Side = "for" if "for" in sides else "against" if set(sides) == {"against"} else "neither"
    p_for, p_against = _clearest(found, "for"), max(one.p_against for one in found)
    return Weight(all(one.run for one in found), side, min(1.0, len(found) * p_for), p_against)


def _clearest(found: Sequence[Weight], side: Side) -> float:
    """Return the smallest p-value of those on a side, or of all where none is on it.

    One on neither side, such as one that the exact test objects to, must not lend its p-value to the others.
    """
    p_values = [(one.side == side, one.p_for if side == "for" else one.p_against) for one in found]
    on_it = [p for there, p in p_values if there]
    return min(on_it or [p for _, p in p_values])
