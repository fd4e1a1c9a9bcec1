"""The claims ledger: records and rules fixed before them give one verdict per claim."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

from care_bench.artifacts import Record
from care_bench.artifacts.json_lines import Line
from care_bench.config.claims import Claim, ClaimRules
from care_bench.errors import CareBenchError
from care_bench.evidence.findings import Finding, Judged, Side, judge, judge_sweep
from care_bench.evidence.pairs import Index, cells, pair
from care_bench.evidence.statistics import ALPHA, holm
from care_bench.evidence.weighing import Weight, agreed, deciding, weigh

Outcome: TypeAlias = Literal["supported", "contradicted", "inconclusive", "not run"]
Stand: TypeAlias = Literal["for", "against", "undecided", "blocked"]
"""Where a comparison stands, its protocols together; blocked where a guard, or something like it, leaves no side."""


class Verdict(Line):
    """What the rules say of one claim.

    Attributes:
        claim: its name in the rules.
        text: the claim.
        source: where it is stated.
        verdict: supported, contradicted, inconclusive or not run.
        reason: why, in one sentence.
        p: p-value of the claim, all its comparisons together; None where it is not run.
        p_holm: the same, adjusted for the claims of its family.
        findings: one per comparison and protocol.
        stands: one per comparison.
        shown: place in ``findings`` of the one that the p-value comes from, or that is least clear; None without any.
        rules_sha256: hash of the file of rules.
    """

    claim: str
    text: str
    source: str
    verdict: Outcome
    reason: str
    p: float | None
    p_holm: float | None
    findings: tuple[Finding, ...]
    stands: tuple[Stand, ...]
    shown: int | None
    rules_sha256: str

    @property
    def id(self) -> str:
        """Short name in citations: "c" and the first ten hex digits of its SHA-256."""
        return f"c{self.sha256[:10]}"

    @property
    def seeds(self) -> tuple[int, ...]:
        """Pretraining seeds behind the comparison that has the fewest of them, rising."""
        return min((finding.seeds for finding in self.findings), key=len, default=())

    @property
    def records(self) -> tuple[str, ...]:
        """Ids of the records behind it, each once."""
        return tuple(dict.fromkeys(name for finding in self.findings for name in finding.records))


def decide(records: Iterable[Record], rules: ClaimRules, rules_sha256: str) -> list[Verdict]:
    """Decide every claim, in the order of the rules.

    A comparison has to be wholly on one side (see :func:`care_bench.evidence.findings.judge`). Under "all" every
    comparison has to be on the claim's side for "supported", and one on the other side contradicts it; under "any" it
    is the other way round. The p-value of a claim is the largest of those that all have to hold, and the smallest times
    their number of those of which one is enough. Adjusted for the claims of the family (Holm) it has to be at most 0.05
    for either verdict, so that chance gives a family one verdict in twenty at most.

    Args:
        records: of the profile of the rules; records of other seeds are left out.
        rules: the claims.
        rules_sha256: hash of the file that they were read from.

    Raises:
        CareBenchError: records of another profile.
    """
    found = list(records)
    if others := {record.profile for record in found} - {rules.profile}:
        raise CareBenchError(
            f"records of profile {min(others)!r}: the rules for claims are of profile {rules.profile!r}"
        )
    index = Index(found, rules.seeds)
    groups = {claim.id: _judged(claim, index) for claim in rules.claims}
    weighed = {claim.id: weigh(claim, groups[claim.id]) for claim in rules.claims}
    run = [claim for claim in rules.claims if weighed[claim.id].run]
    adjusted: dict[str, tuple[float, int]] = {}
    for family in dict.fromkeys(map(_family, run)):
        members = [claim.id for claim in run if _family(claim) == family]
        p_values = holm([weighed[name].p for name in members])
        adjusted |= {name: (p, len(members)) for name, p in zip(members, p_values, strict=True)}
    findings = {name: tuple(one.finding for group in found for one in group) for name, found in groups.items()}
    return [
        Verdict(
            claim=claim.id,
            text=claim.text,
            source=claim.source,
            findings=findings[claim.id],
            stands=tuple(map(_stand, groups[claim.id])),
            shown=_shown(claim, weighed[claim.id].side, groups[claim.id]),
            rules_sha256=rules_sha256,
            **_outcome(claim, groups[claim.id], weighed[claim.id], *adjusted.get(claim.id, (1.0, 0))),
        )
        for claim in rules.claims
    ]


def _stand(group: Sequence[Judged]) -> Stand:
    side = agreed(group).side
    if side != "neither":
        return side
    return "blocked" if any(one.finding.blocked for one in group) else "undecided"


def _judged(claim: Claim, index: Index) -> list[list[Judged]]:
    """Return the judgements of a claim in groups of protocols that have to agree; those of a sweep come last."""
    found = [
        [
            judge(one, cell, protocol, pair(index, one, cell, protocol, claim.guards, claim.least_seeds))
            for protocol in one.protocols
        ]
        for one in claim.comparisons
        for cell in cells(one)
    ]
    if sweep := claim.sweep:
        found += [
            [judge_sweep(sweep, index, dataset, protocol, claim.least_seeds) for protocol in sweep.protocols]
            for dataset in sweep.datasets
        ]
    return found


def _family(claim: Claim) -> str:
    """Return the family of a claim; one without is a family of its own, whatever other families are called."""
    return f"claim {claim.id}" if claim.family is None else f"family {claim.family}"


def _outcome(
    claim: Claim, groups: Sequence[Sequence[Judged]], weight: Weight, p_holm: float, members: int
) -> dict[str, Any]:
    """Return the verdict, its reason and its p-values."""
    if not weight.run:
        return {"verdict": "not run", "reason": _why_not_run(claim, groups), "p": None, "p_holm": None}
    verdict, reason = _decided(claim, groups, weight, p_holm, members)
    return {"verdict": verdict, "reason": reason + _left_out(groups), "p": weight.p, "p_holm": p_holm}


def _decided(
    claim: Claim, groups: Sequence[Sequence[Judged]], weight: Weight, p_holm: float, members: int
) -> tuple[Outcome, str]:
    """Return the verdict on a claim that is run, and its reason."""
    count, sides = len(groups), [agreed(group).side for group in groups]
    if count == 1 and weight.side == "neither":
        return "inconclusive", _first_reason(groups)
    compared = f"of {count} comparison{'s' if count > 1 else ''}"
    tally = f"{compared}, {sides.count('for')} are for the claim and {sides.count('against')} against it"
    if weight.side == "neither":
        return "inconclusive", f"{tally}; {_first_reason(groups)}"
    if p_holm > ALPHA:
        reason = f"{tally}, but p = {weight.p:.2g} for the claim as a whole"
        if members > 1:
            reason += f", {p_holm:.2g} among the {members} claims of {_family(claim)}"
        return "inconclusive", f"{reason}: more than {ALPHA:g}"
    return "supported" if weight.side == "for" else "contradicted", tally


def _left_out(groups: Sequence[Sequence[Judged]]) -> str:
    """Name the seeds without a value of the first comparison that lacks some, and the number of such comparisons."""
    found = [one.finding for group in groups for one in group if one.finding.missing]
    if not found:
        return ""
    more = f" and {len(found) - 1} more comparisons lack seeds" if len(found) > 1 else ""
    return f"; on {found[0].dataset} ({found[0].protocol}) {found[0].missing}{more}"


def _shown(claim: Claim, side: Side, groups: Sequence[Sequence[Judged]]) -> int | None:
    """Return the place, among all findings, of the one that the p-value of the claim comes from, or the least clear."""
    found = [one for group in groups for one in group]
    if side == "neither":
        measured = [place for place, one in enumerate(found) if one.finding.effect is not None]
        return max(measured, key=lambda place: _unclear(found[place].finding), default=None)
    number = deciding(claim, side, groups)
    before = sum(map(len, groups[:number]))
    return before + max(range(len(groups[number])), key=lambda place: groups[number][place].p(side))


def _why_not_run(claim: Claim, groups: Sequence[Sequence[Judged]]) -> str:
    if claim.not_decided is not None:
        return claim.not_decided
    found = [one.finding for group in groups for one in group]
    first = next(finding for finding in found if not finding.run)
    missing = sum(not finding.run for finding in found)
    return f"{_place(first)}: {first.reason} ({missing} of {len(found)} comparisons)"


def _first_reason(groups: Sequence[Sequence[Judged]]) -> str:
    """Say why the least clear comparison is on neither side."""
    open_groups = [group for group in groups if agreed(group).side == "neither"]
    found = [one.finding for group in open_groups for one in group if one.finding.side == "neither"]
    if not found:
        return "the protocols disagree"
    first = max(found, key=_unclear)
    return f"{_place(first)}: {first.reason}"


def _unclear(finding: Finding) -> tuple[bool, bool, float]:
    """Sort findings by how little is known of their side: what has no effect, or is blocked, comes last."""
    return finding.effect is None, finding.blocked, finding.p or 0.0


def _place(finding: Finding) -> str:
    epoch = "" if finding.epoch is None else f", epoch {finding.epoch}"
    return f"{finding.metric} of {finding.row} on {finding.dataset} ({finding.protocol}{epoch})"
