"""A collection on one screen: what was run, the verdicts, and one row per method with three metrics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from care_bench.artifacts.collection import Collection
from care_bench.artifacts.record import code_versions
from care_bench.report.grid import Grid, Key
from care_bench.report.labels import metric_label, position
from care_bench.report.model import Column, Facts, Figure, Statements, Table

OUTCOMES = ("supported", "contradicted", "inconclusive", "not run")
"""Verdicts on claims, the decided ones first."""
COLUMNS = (("top1", "first_pc_r2"), ("held_out_wahba", "wahba_error"), ("gamma_median", "gamma"))
"""Metrics to choose each column from."""
REPRESENTATION = "features"
"""Taken where it was measured: what the first picture shows, and what imported encoders have."""


@dataclass(frozen=True)
class Verdict:
    """What the rules say of one claim: its name, its text, the verdict, and the effect with its interval or "".

    ``sides`` counts the comparisons on each side, and ``comparison`` says what the effect is of.
    """

    claim: str
    text: str
    verdict: str
    sides: str
    comparison: str
    effect: str


@dataclass(frozen=True)
class Overview:
    """The short form of a section.

    Attributes:
        facts: what was run.
        remarks: what a reader has to know before any number, such as that there is one seed.
        findings: what the rows are beside the untrained encoder and the inputs, a sentence each.
        agreement: how far the numbers are those of pins of the same profile, a sentence each.
        verdicts: one per claim; empty without rules.
        undecided: why no claim has a verdict; "" where some have or there are no rules.
        methods: one row per method with at most three metrics on the first data set; None without a number.
        layers: that claims are about the projection, where figure and table show features; "" without such claims.
        elsewhere: how many rows other data sets have, which ``methods`` leaves out; "" where there are none.
        figure: the picture of the first screen.
    """

    facts: Facts
    remarks: tuple[str, ...]
    findings: tuple[str, ...]
    agreement: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    undecided: str
    methods: Table | None
    layers: str
    elsewhere: str
    figure: Figure | None

    @property
    def said(self) -> tuple[str, ...]:
        """All sentences of the first screen: what to know first, what was found, and how it agrees with pins."""
        return (*self.remarks, *self.findings, *self.agreement)

    @property
    def outcomes(self) -> list[str]:
        """The kinds of verdicts that there are, the decided ones first."""
        return sorted({one.verdict for one in self.verdicts}, key=lambda name: position(name, OUTCOMES))

    @property
    def tally(self) -> str:
        """Count the verdicts."""
        names = [one.verdict for one in self.verdicts]
        return ", ".join(f"{names.count(name)} {name}" for name in self.outcomes)


def overview_of(
    collection: Collection,
    grid: Grid,
    claims: Table | Statements | None,
    figure: Figure | None,
    remarks: Iterable[str],
    found: Iterable[str],
    agreement: Iterable[str],
) -> Overview:
    """Shorten a collection.

    Args:
        collection: the records.
        grid: of the collection.
        claims: the table of verdicts, or the line that says why there are none.
        figure: of the first screen.
        remarks: sentences that come before any number.
        found: sentences on the rows beside their floors.
        agreement: sentences on pins of the same profile.
    """
    verdicts = _verdicts(claims) if isinstance(claims, Table) else ()
    methods, layers = methods_table(grid), _layers(verdicts)
    if methods is not None and layers:
        methods = replace(methods, caption=(*methods.caption, layers))
    undecided = " ".join(claims.items) if isinstance(claims, Statements) else ""
    said = " ".join(claims.caption) if isinstance(claims, Table) else undecided
    changed = re.findall(
        r"They were kept after [^.]*\.|Rules changed (?:after the run|since then): [^.]*\.|"
        r"Since then \S+ has other rules [^.]*\.",
        said,
    )
    return Overview(
        facts_of(collection, grid),
        (*remarks, *changed),
        tuple(found),
        tuple(agreement),
        verdicts,
        undecided,
        methods,
        layers,
        _elsewhere(grid),
        figure,
    )


def facts_of(collection: Collection, grid: Grid) -> Facts:
    """Say what was run."""
    records = collection.records
    names = sorted({record.dataset for record in records}, key=grid.order.dataset)
    seeds = sorted({record.seed for record in records})
    runs = len({(record.dataset, record.variant, record.seed) for record in records})
    versions = code_versions(records)
    pin = (
        f"not pinned (`care-bench pin NAME --collection {collection.name}`)"
        if collection.pinned_on is None
        else f"pinned on {collection.pinned_on}; every file matches the manifest"
    )
    return Facts(
        (
            ("profile", collection.profile),
            ("data sets", ", ".join(names)),
            ("pretraining seeds", _counted(seeds)),
            ("rows", str(len(grid.labels))),
            ("runs", str(runs)),
            ("records", str(len(records))),
            ("code version", ", ".join(versions)),
            ("state", pin),
        )
    )


def _counted(seeds: Sequence[int]) -> str:
    """Write seeds as their number and, in brackets, themselves: 10 to 17 where they follow each other."""
    run = len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    return f"{len(seeds)} ({f'{seeds[0]} to {seeds[-1]}' if run else ', '.join(map(str, seeds))})"


def methods_table(grid: Grid) -> Table | None:
    """Return one row per method with at most three metrics of the first data set; None without a number."""
    keys = _keys(grid)
    first = [key for key in keys if key.data == keys[0].data] if keys else []
    if not first:
        return None
    chosen = _chosen(grid, first)
    rows = [row for row in grid.rows(chosen) if any(grid.cell(row, key).text for key in chosen)]
    cells = tuple(tuple(grid.cell(row, key) for key in chosen) for row in rows)
    several = any("±" in cell.text for row in cells for cell in row)
    same = len({key.representation for key in chosen}) == 1
    named = [f"{metric_label(key.metric)} ({key.protocol})" for key in chosen]
    what = "; ".join(
        text if same and place else f"{key.representation}: {text}"
        for place, (key, text) in enumerate(zip(chosen, named, strict=True))
    )
    return Table(
        first[0].data,
        (f"{what}.", *(["Mean ± half-width of the 95 % interval over seeds."] if several else [])),
        # Without a direction: here no value is marked best.
        tuple(Column(key.representation, metric_label(key.metric), grid.column(key, "", "").unit) for key in chosen),
        tuple(grid.labels[row] for row in rows),
        cells,
    )


def _keys(grid: Grid) -> list[Key]:
    return grid.sorted(grid.keys, ["data", "protocol", "metric", "representation"])


def _elsewhere(grid: Grid) -> str:
    """Count the rows of all data sets but the first."""
    keys = _keys(grid)
    others = dict.fromkeys(key.data for key in keys if key.data != keys[0].data)
    rows = sum(len(grid.rows([key for key in keys if key.data == data])) for data in others)
    sets = f"{len(others)} other data set{'' if len(others) == 1 else 's'}"
    return f"{rows} row{'' if rows == 1 else 's'} of {sets}" if others else ""


def _chosen(grid: Grid, keys: Sequence[Key]) -> list[Key]:
    """Choose a column of each kind, and others where a kind is missing; of representations, then that of most rows."""
    chosen = []
    for names in COLUMNS:
        ranked = [
            (names.index(key.metric), key.representation != REPRESENTATION, -len(grid.rows([key])), place)
            for place, key in enumerate(keys)
            if key.metric in names
        ]
        chosen += [keys[place] for *_, place in sorted(ranked)[:1]]
    return (chosen + [key for key in keys if key not in chosen])[: len(COLUMNS)]


def _verdicts(claims: Table) -> tuple[Verdict, ...]:
    names = [column.name for column in claims.columns]
    places = [names.index(name) for name in ("claim", "verdict", "sides", "comparison", "effect")]
    return tuple(Verdict(claim, *(cells[place].text for place in places)) for claim, cells in claims.lines)


def _layers(verdicts: Sequence[Verdict]) -> str:
    """Say how many claims have their effect on another representation than what the first screen shows."""
    compared = [one.comparison for one in verdicts if one.comparison]
    others = sum(f", {REPRESENTATION}, " not in text for text in compared)
    return (
        f"Below: the {REPRESENTATION}; of {others} of {len(compared)} claims the effect shown is of the projection."
        if others
        else ""
    )
