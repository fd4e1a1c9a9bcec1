"""The section of one collection: statements, tables, and the records behind their cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from care_bench.artifacts.agreement import NEAR, agreement
from care_bench.artifacts.collection import Collection
from care_bench.artifacts.record import code_versions
from care_bench.evaluation.glossary import OVER_SAMPLES, Entry, of_metrics
from care_bench.evaluation.protocols import METRICS
from care_bench.report.claims import claims_of
from care_bench.report.figures import figures_of
from care_bench.report.figures.accuracy import TITLE as SCATTER
from care_bench.report.figures.rows import Rows
from care_bench.report.findings import findings
from care_bench.report.grid import READING, Grid, selection
from care_bench.report.labels import metric_label
from care_bench.report.model import Cell, Definitions, Section, Statements, Table, texts
from care_bench.report.overview import overview_of
from care_bench.report.paper import TITLE as PAPER
from care_bench.report.paper import PaperValue
from care_bench.report.provenance import provenance_of
from care_bench.report.settings import imported_lines, measuring_lines, settings_lines
from care_bench.report.tables import ABLATION, build_tables, snapshot_tables

if TYPE_CHECKING:
    from care_bench.config.claims import ClaimRules

GLOSSARY = "glossary"
TITLE = "care_bench report"
DIRTY = "Some records come from code that was not committed (.dirty): they cannot be traced to a commit."
FIDELITY = (
    "Fidelity: `paper` is the equivariance loss as printed, a mean over pairs, with an augmentation pair of its own "
    "for every chunk of the batch; `released-code` is the loss as the authors' code has it, 2 (chunk size - 1) times "
    "that mean, with one pair for the whole batch."
)
_SHORT = 12


def build_section(
    collection: Collection,
    paper: list[PaperValue] | str,
    pins: Iterable[Collection] = (),
    rules: tuple[ClaimRules, str, str] | None = None,
) -> Section:
    """Lay out one collection.

    Args:
        collection: fresh or pinned records.
        paper: the paper's values, or the reason why there are none.
        pins: of the same profile, which the numbers of a fresh collection are compared with.
        rules: for the claims of its profile, with the hash of their file and where it is.
    """
    grid = Grid(collection)
    claims = claims_of(collection, rules)
    tables, absent = build_tables(grid, paper)
    snapshots = {place: group for place, group in collection.groups.items() if place.epoch is not None}
    if snapshots:
        epochs = ", ".join(map(str, sorted({place.epoch for place in snapshots if place.epoch is not None})))
        number = sum(map(len, snapshots.values()))
        absent.append(
            f"Snapshots after epochs {epochs}: {number} records, whose rows are in report.csv (`--format csv`)."
        )
    figures, left_out = figures_of(collection)
    absent += left_out
    picture = next((figure for figure in figures if figure.title == SCATTER), None)
    cited = {name for table in tables for row in table.cells for cell in row for name in cell.ids}
    records = [record for record in collection.records if record.id in cited]
    remarks, agreement = _remarks(collection), agreement_lines(collection, pins)
    verdicts = claims[0] if claims else None
    verdicts = replace(verdicts, linked=True) if isinstance(verdicts, Table) else verdicts
    overview = overview_of(collection, grid, verdicts, picture, remarks, findings(Rows(collection)), agreement)
    return Section(
        key=collection.key,
        title=f"Collection {collection.key}",
        parts=(
            overview.facts,
            *([Statements(overview.said)] if overview.said else []),
            *([verdicts] if verdicts else []),
            *([picture] if picture else []),
            Statements((selection(collection.records), *READING), "How to read the tables"),
            *sorted(tables, key=_place),
            *(figure for figure in figures if figure is not picture),
            *([Statements(tuple(absent), "Not in this report")] if absent else []),
            Statements(tuple(_settings(collection, grid)), "Settings"),
        ),
        data=(*snapshot_tables(collection), *([claims[1]] if claims else [])),
        overview=overview,
        provenance=provenance_of(collection.key, records, grid.variants, grid.labels, grid.order),
    )


def _place(table: Table) -> int:
    """The paper's table comes first, then the ablations, then all others in their order."""
    return 0 if table.title == PAPER else 1 if table.title.startswith(f"{ABLATION.title},") else 2


def glossary_section(collections: Iterable[Collection]) -> Section:
    """Return what the metrics of some collections mean."""
    every = list(collections)
    found = of_metrics(record.metric for collection in every for record in collection.records)
    items: list[tuple[tuple[str, ...], str, str]] = [
        (entry.metrics, _labels(entry.metrics), _meaning(entry)) for entry in found
    ]
    if any(collection.resamples for collection in every):
        items.append(((), *OVER_SAMPLES))
    return Section(key=GLOSSARY, title="Glossary", parts=(Definitions(tuple(items)),))


def _labels(metrics: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(map(metric_label, metrics)))


def _meaning(entry: Entry) -> str:
    """Return what an entry says, with the captions of its metrics after the definition."""
    captions = dict.fromkeys(METRICS[name].caption for name in entry.metrics if METRICS[name].caption)
    return replace(entry, definition=" ".join((entry.definition, *captions))).text


def evidence_table(header: tuple[str, ...], rows: dict[str, list[Cell]]) -> Table:
    """Build the list of evidence from the cells of each id."""
    cells = tuple(tuple(row) for row in rows.values())
    return Table("", (), texts(header), tuple(rows), cells, corner="record")


@lru_cache(maxsize=4096)
def digest_cell(digest: str) -> Cell:
    """Return the cell of a hash, cut for reading."""
    return Cell(digest[:_SHORT] or "none", whole=digest)


def agreement_lines(collection: Collection, pins: Iterable[Collection]) -> list[str]:
    """Say how far the numbers of a fresh collection are those of pins of its profile, one sentence per pin."""
    lines = []
    for pinned in () if collection.pinned_on else pins:
        found = agreement(collection.records, pinned.records)
        if not found.compared:
            lines.append(f"Agreement with {pinned.key}: none of its values was measured here by the same protocols.")
            continue
        line = f"Agreement with {pinned.key}: {found.equal} of {found.compared} values are equal to the bit"
        if worst := found.worst:
            place = f"{metric_label(worst.metric)}, {worst.representation}, of {worst.dataset}/{worst.variant}"
            line += (
                f", {found.near} within {NEAR:.0%}; the largest relative difference is {found.difference:.1g} "
                f"({place}/seed{worst.seed})"
            )
        if found.apart:
            line += f"; {found.apart}"
        if found.worst and found.machine:
            line += f". Another kind of machine: {found.machine}"
        lines.append(f"{line}.")
    return lines


def _remarks(collection: Collection) -> list[str]:
    """Say what a reader has to know before any number."""
    lines = []
    if few := sorted({record.samples for record in collection.records if record.samples is not None}):
        lines.append(f"Measured on at most {', '.join(map(str, few))} samples of each split: a check, no result.")
    if len({record.seed for record in collection.records}) == 1:
        lines.append("One seed proves nothing: no ranking follows from these tables.")
    if any(version.endswith(".dirty") for version in code_versions(collection.records)):
        lines.append(DIRTY)
    return lines


def _settings(collection: Collection, grid: Grid) -> list[str]:
    records = [group[-1] for group in collection.groups.values()]
    return [
        *([FIDELITY] if any(record.fidelity for record in records) else []),
        *measuring_lines(records, grid.order),
        *settings_lines(records, grid.order),
        *imported_lines(records, grid.order),
    ]
