"""The section of one collection: statements, tables, and the records behind their cells."""

from __future__ import annotations

from collections.abc import Iterable

from care_bench.artifacts import Record
from care_bench.artifacts.agreement import agreement
from care_bench.artifacts.collection import Collection
from care_bench.evaluation.glossary import of_metrics
from care_bench.report.figures import figures_of
from care_bench.report.grid import Grid
from care_bench.report.labels import metric_label, variant_of
from care_bench.report.model import Cell, Section, Statements, Table, texts
from care_bench.report.paper import PaperValue
from care_bench.report.settings import imported_lines, measuring_lines, settings_lines
from care_bench.report.tables import build_tables, snapshot_tables

GLOSSARY = "glossary"
TITLE = "care_bench report"
DIRTY = "Some records come from code that was not committed (.dirty): they cannot be traced to a commit."
FIDELITY = (
    "Fidelity: `paper` is the equivariance loss as printed, a mean over pairs, with an augmentation pair of its own "
    "for every chunk of the batch; `released-code` is the loss as the authors' code has it, 2 (chunk size - 1) times "
    "that mean, with one pair for the whole batch."
)
_HEADER = ("run", "measurement", "value", "sha256", "config", "data", "weights", "code", "device")
_SHORT = 12


def build_section(collection: Collection, paper: list[PaperValue] | str, pins: Iterable[Collection] = ()) -> Section:
    """Lay out one collection.

    Args:
        collection: fresh or pinned records.
        paper: the paper's values, or the reason why there are none.
        pins: of the same profile, which the numbers of a fresh collection are compared with.
    """
    grid = Grid(collection)
    tables, absent = build_tables(grid, paper)
    snapshots = [record.epoch for record in collection.records if record.epoch is not None]
    if snapshots:
        epochs = ", ".join(map(str, sorted(set(snapshots))))
        absent.append(f"Snapshots after epochs {epochs}: {len(snapshots)} records, whose rows are in report.csv.")
    figures, left_out = figures_of(collection)
    absent += left_out
    cited = {name for table in tables for row in table.cells for cell in row for name in cell.ids}
    records = sorted((record for record in collection.records if record.id in cited), key=lambda record: record.id)
    return Section(
        key=collection.key,
        title=f"Collection {collection.key}",
        parts=(
            Statements((*_statements(collection, grid), *agreement_lines(collection, pins))),
            *tables,
            *figures,
            *([Statements(tuple(absent), "Not in this report")] if absent else []),
        ),
        evidence=evidence_table(
            _HEADER, {record.id: _evidence(record, grid.labels[variant_of(record)]) for record in records}
        ),
        data=tuple(snapshot_tables(collection)),
    )


def glossary_section(collections: Iterable[Collection]) -> Section:
    """Return what the metrics of some collections mean."""
    found = of_metrics(record.metric for collection in collections for record in collection.records)
    items = (f"{'; '.join(dict.fromkeys(map(metric_label, entry.metrics)))}: {entry.text}" for entry in found)
    return Section(key=GLOSSARY, title="Glossary", parts=(Statements(tuple(items)),))


def evidence_table(header: tuple[str, ...], rows: dict[str, list[Cell]]) -> Table:
    """Build the list of evidence from the cells of each id."""
    cells = tuple(tuple(row) for row in rows.values())
    return Table("", (), texts(header), tuple(rows), cells, corner="record")


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
            line += (
                f"; the largest relative difference is {found.difference:.1g} ({metric_label(worst.metric)}, "
                f"{worst.representation}, of {worst.dataset}/{worst.variant}/seed{worst.seed})"
            )
        if found.apart:
            line += f"; {found.apart} of its records have no counterpart by the same version of their protocol"
        lines.append(f"{line}.")
    return lines


def _statements(collection: Collection, grid: Grid) -> list[str]:
    records = collection.records
    seeds = sorted({record.seed for record in records})
    versions = sorted({record.code_version for record in records})
    lone = " One seed proves nothing: no ranking follows from these tables." if len(seeds) == 1 else ""
    lines = [
        f"Profile {collection.profile}; records: {len(records)}; code version {', '.join(versions)}.",
        f"Number of pretraining seeds: {len(seeds)} ({', '.join(map(str, seeds))}).{lone}",
        f"Not pinned: pin it with `care-bench pin NAME --collection {collection.name}`."
        if collection.pinned_on is None
        else f"Pinned on {collection.pinned_on}; every file matches the manifest.",
    ]
    if any(version.endswith(".dirty") for version in versions):
        lines.append(DIRTY)
    if any(record.fidelity for record in records):
        lines.append(FIDELITY)
    return [
        *lines,
        *measuring_lines(records, grid.order),
        *settings_lines(records, grid.order),
        *imported_lines(records, grid.order),
    ]


def _evidence(record: Record, label: str) -> list[Cell]:
    unit = "" if record.unit == "1" else f" {record.unit}"
    value = f"no value: {record.reason}" if record.value is None else f"{record.value:.6g}{unit}"
    if record.spread is not None:
        value += f" (std {record.spread:.3g} over {record.n})"
    hashes = (record.sha256, record.config_sha256, record.data_sha256, record.weights_sha256)
    return [
        Cell(f"{record.dataset} ({record.backbone}), {label}, seed {record.seed}"),
        Cell(f"{metric_label(record.metric)}, {record.representation}, {record.protocol}"),
        Cell(value),
        *map(digest_cell, hashes),
        Cell(record.code_version),
        Cell(record.device),
    ]
