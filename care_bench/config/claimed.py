"""What rules for claims compare: the metrics of each row, as a list of what has to be known of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from care_bench.config.claims import Claim, ClaimRules, Comparison
from care_bench.names import Representation


class Claimed(NamedTuple):
    """A metric of a row that a comparison is about, or that its opponents are matched by."""

    dataset: str
    variant: str
    epoch: int | None
    protocol: str
    representation: Representation
    metric: str


def claimed(rules: ClaimRules) -> dict[Claimed, bool]:
    """Return every metric that the comparisons of the rules need, in their order: whether they count its draws.

    Those of sweeps and of the guard against collapse are left out: they have no effect with an interval.
    """
    found: dict[Claimed, bool] = {}
    for claim in rules.claims:
        for part in claim.comparisons:
            for one in _of(claim, part):
                found[one] = found.get(one, False) or part.of == "share_of_draws"
    return found


def _of(claim: Claim, part: Comparison) -> Iterator[Claimed]:
    rows = (*part.rows, *part.against, *(part.matched or ()))
    places = [(dataset, row, epoch) for dataset in part.datasets for row in rows for epoch in part.epochs]
    for place in places:
        for protocol in part.protocols:
            yield from (Claimed(*place, protocol, one, part.metric) for one in part.representations)
        if part.matched and (by := claim.guards.movement):
            yield Claimed(*place, by.protocol, by.representation, by.metric)
