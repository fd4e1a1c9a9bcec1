"""The claims in front of a collection: one row per claim with its verdict, and every comparison for the CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from care_bench.artifacts.collection import Collection
from care_bench.config.offered_claims import RULES, rules_for
from care_bench.errors import CareBenchError
from care_bench.report.labels import labels, metric_label, says_more
from care_bench.report.model import Cell, Column, Statements, Table, texts
from care_bench.report.sampled import SEEDS_ALONE, caption, with_samples
from care_bench.report.statistics import Summary, number
from care_bench.report.variants import Variants
from care_bench.runs.kept_rules import kept_after, runs_of

if TYPE_CHECKING:
    from care_bench.config.claims import ClaimRules
    from care_bench.evidence.findings import Finding
    from care_bench.evidence.ledger import Verdict

TITLE = "Claims"
COMPARISONS = "Comparisons behind the claims"
EFFECT = (
    "Effect: of the comparison that p comes from, or that is least clear; a ratio is a geometric mean. Every "
    "comparison, with its bootstrap interval (BCa), p-values and the ids of its records, is in report.csv "
    "(`--format csv`)."
)
_COLUMNS = (
    *texts(("claim", "verdict", "sides", "comparison")),
    *texts(("effect", "p (Holm)", "seeds", "records"), prose=False),
    *texts(("why",)),
)


def read_rules(results: Path, profile: str) -> tuple[ClaimRules, str, str] | None:
    """Read the rules for the claims of a profile; None where there are none.

    Returns:
        The rules, the SHA-256 of their file, and where it is: in the results folder, or in an installed package.

    Raises:
        CareBenchError: a damaged file, or one that names what does not exist.
    """
    path = rules_for(profile, [results])
    if path is None:
        return None
    from care_bench.evidence import rules  # numpy, which a report without rules does not need

    ours = path == results / RULES
    return *rules.read_rules(path), RULES.as_posix() if ours else f"{path.name} of an installed package"


def claims_of(
    collection: Collection, found: tuple[ClaimRules, str, str] | None
) -> tuple[Table | Statements, Table] | None:
    """Return the verdicts, or the line that says why there are none, and all comparisons; None without rules for it.

    The rules that the collection keeps, from before the run or from later, decide where there are no others for its
    profile, or where those are for seeds of which the collection has none: these came later, for runs that are to come.
    """
    kept, kept_line = _kept(collection)
    if found is not None and found[0].profile != collection.profile:
        found = None
    changed: list[str] = []
    since = ""
    if kept and found:
        if set(found[0].seeds) & {record.seed for record in collection.records}:
            changed = changed_claims(kept[0], found[0])
        else:
            since, found = _since(kept[0], found), None
    if found is None:
        found = None if kept is None else (*kept, f"{collection.key}/{RULES.name}")
    if found is None:
        return None
    from care_bench.evidence.ledger import decide

    rules, digest, place = found
    if kept:
        kept_line = _history(kept_after(collection.rules or b""), changed) + since
    verdicts = decide(collection.records, rules, digest)
    named = f"Rules: {place}, SHA-256 {digest}; seeds {', '.join(map(str, rules.seeds))}. {kept_line}"
    behind = [(verdict, one) for verdict in verdicts for one in verdict.findings]
    rows, cells = tuple(_row(*pair) for pair in behind), tuple(_comparison(one) for _, one in behind)
    comparisons = Table(COMPARISONS, (), _COMPARED, rows, cells)
    if all(verdict.verdict == "not run" for verdict in verdicts):
        return Statements((f"No claim is decided: {verdicts[0].reason}. {named}",), TITLE), comparisons
    counts = Counter(verdict.verdict for verdict in verdicts)
    order = get_args(type(verdicts[0]).model_fields["verdict"].annotation)
    tally = f"{', '.join(f'{name}: {counts[name]}' for name in order if counts[name])}."
    names = tuple(verdict.claim for verdict in verdicts)
    cells = tuple(_cells(verdict, verdict.claim in changed) for verdict in verdicts)
    halves = collection.resamples
    over = caption(halves) if halves else SEEDS_ALONE
    said = (tally, _caption(rules, verdicts), EFFECT, *_other_methods(collection, verdicts), over, named)
    table = Table(TITLE, said, _COLUMNS, names, cells)
    if not halves:
        return table, comparisons
    return with_samples(table, comparisons, verdicts, [_shown(verdict) for verdict in verdicts], rules, halves)


def _caption(rules: ClaimRules, verdicts: Sequence[Verdict]) -> str:
    """Say what decides, with the tests that were run."""
    from care_bench.evidence.findings import SWEPT
    from care_bench.evidence.statistics import EXACT

    equivalence = any(one.margin is not None for claim in rules.claims for one in claim.comparisons)
    tested = [one for verdict in verdicts for one in verdict.findings if one.p is not None and one.kind != SWEPT]
    few, most = {len(one.seeds) <= EXACT[1] for one in tested}, f"at most {EXACT[1]} seeds"
    exact = " with which exact sign-flip tests agree" if few == {True} else ""
    exact = f", with which exact sign-flip tests agree where there are {most}" if few == {True, False} else exact
    exact = f", without exact tests, which are run for {most}" if few == {False} else exact
    return (
        f"Supported, or contradicted: comparisons wholly on one side, by 95 % t-intervals over pretraining seeds{exact}"
        + ("; an equivalence by two one-sided t-tests at 5 % alone" if equivalence else "")
        + ("; a sweep by the bootstrap samples of the seeds" if any(claim.sweep for claim in rules.claims) else "")
        + "; p is that of the whole claim, adjusted for the claims of its family (Holm), and has to be at most 0.05. "
        "Everything else is inconclusive. Sides: how many comparisons are for it, against it, undecided, "
        "or blocked: by a guard, whose effect is shown all the same, or for want of an effect."
    )


def _other_methods(collection: Collection, verdicts: Sequence[Verdict]) -> list[str]:
    """Name the rows of the comparisons whose plain name stands for another method on a data set."""
    variants = Variants(group[-1] for group in collection.groups.values())
    rows = {(place.dataset, place.variant): variants.of(place) for place in collection.groups}
    names = labels(set(rows.values()))
    compared = dict.fromkeys(
        (one.dataset, row)
        for verdict in verdicts
        for one in verdict.findings
        for row in (one.row, *one.against.split(" ~ "))
    )
    found = [
        f"on {dataset} {row} is {names[rows[dataset, row]]}"
        for dataset, row in compared
        if (dataset, row) in rows and rows[dataset, row].setting and not says_more(rows[dataset, row])
    ]
    return [f"Comparisons call rows by their names in the profile: {'; '.join(found)}."] if found else []


def _since(before: ClaimRules, found: tuple[ClaimRules, str, str]) -> str:
    """Return the sentence on rules that came after the runs of a collection, for other runs."""
    rules, _, place = found
    changed = changed_claims(before.model_copy(update={"seeds": rules.seeds}), rules)
    named = f"other rules for {', '.join(changed)}" if changed else "the same rules"
    return f" Since then {place} has {named}, for seeds that are not here: {', '.join(map(str, rules.seeds))}."


def _history(runs: int, changed: Sequence[str]) -> str:
    """Say whether rules are those of before the run, with the claims whose rule was changed since they were kept.

    Args:
        runs: how many were trained or measured when the rules were kept.
        changed: ids of claims.
    """
    if runs:
        late = f"They were kept after {runs_of(runs)} had been trained or measured: no verdict is preregistered."
        return f"{late} Rules changed since then: {', '.join(changed)}." if changed else late
    return f"Rules changed after the run: {', '.join(changed)}." if changed else UNCHANGED


def changed_claims(before: ClaimRules, now: ClaimRules) -> list[str]:
    """Return the ids of claims whose rule is not what it was, of all if the seeds differ; those left out come last."""
    old, new = ({claim.id: claim for claim in rules.claims} for rules in (before, now))
    differ = [name for name, claim in new.items() if before.seeds != now.seeds or old.get(name) != claim]
    return differ + [name for name in old if name not in new]


def _kept(collection: Collection) -> tuple[tuple[ClaimRules, str] | None, str]:
    """Return the rules that a collection keeps, or a sentence that says why there are none."""
    if collection.rules is None:
        return None, "The rules as they were before the run were not kept."
    from care_bench.config.claims import claims_in

    try:
        return claims_in(collection.rules, f"{collection.key}/{RULES.name}"), ""
    except CareBenchError as error:  # a pin outlives rules
        return None, f"The rules as they were before the run cannot be read: {error}."


UNCHANGED = "They are as they were before the run."
_COMPARED = (
    *texts(("side",)),
    *(Column("", name) for name in ("effect", "BCa, low", "BCa, high", "p", "p, exact")),
)


def _cells(verdict: Verdict, changed: bool) -> tuple[Cell, ...]:
    """Return the row of a claim."""
    why = (verdict.reason,)
    shown = _shown(verdict)
    p = Cell(notes=why) if verdict.p_holm is None else Cell(_p_value(verdict.p_holm), quoted=verdict.p_holm)
    return (
        Cell(f"{verdict.text} ({verdict.source})"),
        Cell(verdict.verdict),
        Cell(sides) if (sides := _sides(verdict)) else Cell(notes=why),
        Cell(notes=why) if shown is None else Cell(_place(shown)),
        Cell(notes=why) if shown is None else _effect(shown),
        p,
        Cell(str(len(verdict.seeds)), quoted=len(verdict.seeds)),
        Cell(str(len(verdict.records)), quoted=len(verdict.records)),
        Cell(f"{verdict.reason} (the rule was changed after the run)" if changed else verdict.reason),
    )


def _sides(verdict: Verdict) -> str:
    """Return the number of comparisons on each side, such as `7 for, 1 blocked`."""
    from care_bench.evidence.ledger import Stand

    counts = Counter(verdict.stands)
    return ", ".join(f"{counts[side]} {side}" for side in get_args(Stand) if counts[side])


def _effect(finding: Finding) -> Cell:
    if finding.effect is None:
        return Cell(notes=(finding.reason,))
    text = f"{finding.kind} {number(finding.effect, '1')}"
    if finding.low is None or finding.high is None:
        return Cell(text, quoted=finding.effect)
    summary = Summary(finding.effect, finding.low, finding.high, len(finding.seeds))
    return Cell(f"{text} [{number(finding.low, '1')}, {number(finding.high, '1')}]", summary)


def _shown(verdict: Verdict) -> Finding | None:
    return None if verdict.shown is None else verdict.findings[verdict.shown]


def _row(verdict: Verdict, finding: Finding) -> str:
    return f"{verdict.claim}: {_place(finding)}"


def _place(finding: Finding) -> str:
    """Say what was compared, where and by which protocol."""
    against = f" against {finding.against}" if finding.against else ""
    epoch = "" if finding.epoch is None else f", epoch {finding.epoch}"
    return (
        f"{metric_label(finding.metric)} of {finding.row}{against}, {finding.dataset}, "
        f"{finding.representation}, {finding.protocol}{epoch}"
    )


def _comparison(finding: Finding) -> tuple[Cell, ...]:
    """Return the row of a comparison; the first cell has the ids of its records."""
    why = (finding.reason or "this kind of comparison has none",)
    numbers = (finding.bca_low, finding.bca_high, finding.p, finding.p_exact)
    return (
        Cell(finding.side, ids=finding.records, notes=why if finding.reason else ()),
        _effect(finding),
        *(Cell(notes=why) if value is None else Cell(number(value, "1"), quoted=value) for value in numbers),
    )


def _p_value(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.2g}"
