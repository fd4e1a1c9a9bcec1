"""A report before it is written: per collection its statements, its tables and the evidence behind their cells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.report.labels import METRICS, variant_of
from care_bench.report.layouts import lay_out, lay_out_snapshots
from care_bench.report.order import Order
from care_bench.report.paper import PaperValue
from care_bench.report.settings import measuring_lines, settings_lines
from care_bench.report.tables import Table

TITLE = "care_bench report"
DIRTY = "Some records come from code that was not committed (.dirty): they cannot be traced to a commit."
FIDELITY = (
    "Fidelity: `paper` is the equivariance loss as printed, a mean over pairs, with an augmentation pair of its own "
    "for every chunk of the batch; `released-code` is the loss as the authors' code has it, 2 (chunk size - 1) times "
    "that mean, with one pair for the whole batch."
)


@dataclass(frozen=True)
class EvidenceHeader:
    """What the parts of a line of evidence are called; the first hash is the record's own."""

    texts: tuple[str, ...]
    hashes: tuple[str, ...]
    origin: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Header of the list of evidence as a table."""
        return ("record", *self.texts, *self.hashes, *self.origin)


RECORDS = EvidenceHeader(("run", "measurement", "value"), ("sha256", "config", "data", "weights"), ("code", "device"))


@dataclass(frozen=True)
class Evidence:
    """One record behind a cell, as a line of the list of evidence; hashes are whole."""

    id: str
    texts: tuple[str, ...]
    hashes: tuple[str, ...]
    origin: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The record's own hash."""
        return self.hashes[0]


@dataclass(frozen=True)
class Section:
    """Everything a report says about one collection, or about the theory.

    ``absent`` has a line for each table the collection cannot fill; ``snapshots`` are the tables of encoders before the
    end of training, by epoch, which only the CSV holds.
    """

    key: str
    title: str
    statements: tuple[str, ...]
    tables: tuple[Table, ...]
    absent: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    header: EvidenceHeader = RECORDS
    snapshots: Mapping[int, Sequence[Table]] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The key as a name for anchors, distinct for distinct collections."""
        return re.sub(r"[^A-Za-z0-9_.]", "-", self.key)


def build_section(collection: Collection, paper: list[PaperValue] | str) -> Section:
    """Lay out one collection.

    Args:
        collection: fresh or pinned records.
        paper: the paper's values, or the reason why there are none.
    """
    layout = lay_out(collection, paper)
    cited = {name for table in layout.tables for row in table.cells for cell in row for name in cell.ids}
    evidence = sorted(
        (_evidence(record, layout.labels[variant_of(record)]) for record in collection.records if record.id in cited),
        key=lambda line: line.id,
    )
    return Section(
        key=collection.key,
        title=f"Collection {collection.key}",
        statements=tuple(_statements(collection)),
        tables=tuple(layout.tables),
        absent=tuple(layout.absent),
        evidence=tuple(evidence),
        snapshots=lay_out_snapshots(collection),
    )


def _statements(collection: Collection) -> list[str]:
    records = collection.records
    seeds = sorted({record.seed for record in records})
    versions = sorted({record.code_version for record in records})
    lone = " One seed proves nothing: no ranking follows from these tables." if len(seeds) == 1 else ""
    order = Order(collection.variants)
    lines = [
        f"Profile {collection.profile}; records: {len(records)}; code version {', '.join(versions)}.",
        f"Number of pretraining seeds: {len(seeds)} ({', '.join(map(str, seeds))}).{lone}",
        _pinned(collection),
    ]
    if any(version.endswith(".dirty") for version in versions):
        lines.append(DIRTY)
    if any(record.fidelity for record in records):
        lines.append(FIDELITY)
    return lines + measuring_lines(records, order) + settings_lines(records, order)


def _pinned(collection: Collection) -> str:
    if collection.pinned_on is not None:
        return f"Pinned on {collection.pinned_on}; every file matches the manifest."
    return f"Not pinned: pin it with `care-bench pin NAME --collection {collection.name}`."


def _evidence(record: Record, label: str) -> Evidence:
    metric = METRICS.get(record.metric, record.metric)
    unit = "" if record.unit == "1" else f" {record.unit}"
    value = f"no value: {record.reason}" if record.value is None else f"{record.value:.6g}{unit}"
    if record.spread is not None:
        value += f" (std {record.spread:.3g} over {record.n})"
    return Evidence(
        id=record.id,
        texts=(
            f"{record.dataset} ({record.backbone}), {label}, seed {record.seed}",
            f"{metric}, {record.representation}, {record.protocol}",
            value,
        ),
        hashes=(record.sha256, record.config_sha256, record.data_sha256, record.weights_sha256),
        origin=(record.code_version, record.device),
    )
