"""Intervals over test samples beside the verdicts on claims, where a collection has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from care_bench.report.labels import metric_label
from care_bench.report.model import Cell, Table, texts
from care_bench.report.statistics import Summary, number

if TYPE_CHECKING:
    from care_bench.artifacts.resamples import Resamples
    from care_bench.config.claims import ClaimRules
    from care_bench.evidence.findings import Finding
    from care_bench.evidence.ledger import Verdict
    from care_bench.evidence.sampling import Sampling
    from care_bench.evidence.statistics import Interval

SEEDS_ALONE = "The intervals cover pretraining seeds, not the sampling of test inputs."
"""The caption of verdicts without them."""
COLUMNS = texts(("over test samples", "over both"), prose=False)
VERDICT = texts(("verdict over both",))
AFTER = 5
"""Columns of verdicts before these: up to the effect."""
UNMEASURED = "no such effect on halves of the test samples"
NAMED = 2
"""Most comparisons that are named beside a verdict."""
_STANDS = {True: "stands", False: "does not stand", None: ""}


def with_samples(
    table: Table,
    comparisons: Table,
    verdicts: Sequence[Verdict],
    shown: Sequence[Finding | None],
    rules: ClaimRules,
    resamples: Sequence[Resamples],
) -> tuple[Table, Table]:
    """Return the tables of verdicts and of comparisons with the intervals over test samples, and over both.

    Args:
        table: one row per verdict.
        comparisons: one row per finding of the verdicts.
        verdicts: in the order of the rules.
        shown: of each verdict the finding whose effect its row has.
        rules: that decided.
        resamples: at least one.
    """
    from care_bench.evidence.sampling import Parts, keeps_sides, sampling_of

    parts = Parts(resamples)
    rows, behind = [], []
    for verdict, claim, one, row in zip(verdicts, rules.claims, shown, table.cells, strict=True):
        beside = list(zip(verdict.findings, sampling_of(verdict, claim, parts), strict=True))
        sampling = next((found for finding, found in beside if finding is one), None)
        stands = _stands(beside, keeps_sides(verdict, claim, [found for _, found in beside]), verdict.verdict)
        rows.append((*row[:AFTER], *_cells(one, sampling, verdict.reason), stands, *row[AFTER:]))
        behind += [
            _cells(finding, found, finding.reason, _STANDS[found.stands] if found else "") for finding, found in beside
        ]
    compared = tuple((*row, *cells) for row, cells in zip(comparisons.cells, behind, strict=True))
    return (
        replace(table, columns=(*table.columns[:AFTER], *COLUMNS, *VERDICT, *table.columns[AFTER:]), cells=tuple(rows)),
        replace(comparisons, columns=(*comparisons.columns, *COLUMNS), cells=compared),
    )


def caption(resamples: Sequence[Resamples]) -> str:
    """Return the caption of verdicts with them."""
    numbers = sorted({len(one.values) for line in resamples for one in line.found})
    return (
        f"Over test samples: a 95 % interval of the same effect with these seeds and sampled augmentations, from "
        f"{' or '.join(map(str, numbers))} random halves of the test samples. Over both: with the interval over seeds, "
        "the two half-widths added in squares; a verdict stands where the sides that it rests on do, and comparisons "
        "that do not stand are named beside it. Neither decides."
    )


def _stands(beside: Sequence[tuple[Finding, Sampling | None]], keeps: bool | None, verdict: str) -> Cell:
    """Say whether a verdict stands over test samples too, and which of its comparisons do not."""
    if verdict not in ("supported", "contradicted"):
        return Cell(notes=("the verdict is on no side",))
    if keeps is None:
        return Cell(notes=(UNMEASURED,))
    fallen = [
        f"{metric_label(finding.metric)} on {finding.dataset} {_interval(found.both)}"
        for finding, found in beside
        if found is not None and found.stands is False
    ]
    more = f" and {len(fallen) - NAMED} more" if len(fallen) > NAMED else ""
    named = f"; on its own {', '.join(fallen[:NAMED])}{more} would not" if fallen and keeps else ""
    return Cell(_STANDS[keeps] + named)


def _interval(found: Interval) -> str:
    return f"[{number(found.low, '1')}, {number(found.high, '1')}]"


def _cells(finding: Finding | None, sampling: Sampling | None, reason: str, said: str = "") -> tuple[Cell, Cell]:
    """Return the intervals over test samples and over both, with what is said of the second, or why there are none."""
    if finding is None or finding.effect is None:
        return (Cell(notes=(reason,)),) * 2
    if sampling is None:
        return (Cell(notes=(UNMEASURED,)),) * 2
    effect, n = finding.effect, len(finding.seeds)
    over, both = (
        Cell(
            _interval(one) + ending,
            Summary(effect, one.low, one.high, n),
        )
        for one, ending in ((sampling.samples, ""), (sampling.both, f" {said}".rstrip()))
    )
    return over, both
