"""The tables of a report, as data: which metrics, in which columns and rows, under which caption.

What a metric means is in the glossary, where the caption of its entry (`care_bench.evaluation.protocols.METRICS`)
stands as well: once, and not under every table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter

from care_bench.artifacts.collection import Collection
from care_bench.evaluation.protocols import METRICS, OURS
from care_bench.report.grid import Grid, Key, reading
from care_bench.report.labels import Variant, method_label, metric_label
from care_bench.report.model import Table
from care_bench.report.paper import PaperValue, paper_table

TERMS = ("invariance", "uniformity", "equivariance", "uniformity_equivariance")
"""Methods that train single terms of the loss."""


@dataclass(frozen=True)
class Spec:
    """One kind of table. Texts may name parts of a key, such as `{data}`.

    Attributes:
        title: begins the title; the values of ``each`` follow.
        family: of protocols; empty for metrics that no other table shows. A table is made where a metric of the family
            was measured.
        each: one table per combination of these parts of a key.
        group: part of a key that is the spanning header.
        order: parts of a key by which columns are sorted.
        caption: its first sentences, none where the title says all.
        metrics: columns, in this order; by default those of the family.
        headers: column headers other than the label of the metric.
        names_absent: whether the caption names metrics of the spec that were not measured.
        methods: methods of the rows, in this order; by default all variants that were measured have a row.
        needs: methods; at least one must have been measured.
    """

    title: str
    family: str
    each: tuple[str, ...]
    group: str
    order: tuple[str, ...]
    caption: str = ""
    metrics: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    names_absent: bool = False
    methods: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


PROBES = Spec(
    title="Probe accuracy",
    family="probe",
    each=("protocol",),
    group="data",
    order=("data", "representation"),
    headers={"top1": "top-1, {representation}"},
)
EQUIVARIANCE = Spec(
    title="Equivariance",
    family="equivariance",
    each=("data", "representation"),
    group="protocol",
    order=("metric", "protocol"),
    caption="Equivariance of the {representation} to augmentations of the test split of {data}.",
    names_absent=True,
)
_PER_DATA_SET = Spec(
    title="",
    family="",
    each=("data",),
    group="representation",
    order=("representation", "metric", "protocol"),
)
POSITIVE_PAIRS = replace(_PER_DATA_SET, title="Positive pairs", family="positive pairs")
COMPOSITION = replace(_PER_DATA_SET, title="Composition", family="composition")
CERTIFICATE = replace(
    EQUIVARIANCE,
    title="Certificate",
    family="certificate",
    caption="How far the theory explains the {representation} of {data}: the error of the best orthogonal map, and "
    "what inner products guarantee of it.",
    names_absent=False,
)
HELD_OUT = replace(_PER_DATA_SET, title="Held-out maps", family="held out")
PREDICTION = replace(_PER_DATA_SET, title="Augmentation prediction", family="prediction")
PROFILE = replace(
    EQUIVARIANCE,
    title="Single augmentations",
    family="profile",
    caption="Equivariant to what? The {representation} of {data} under each augmentation alone.",
    names_absent=False,
)
LIE_DERIVATIVE = replace(
    EQUIVARIANCE,
    title="Smooth transformations",
    family="lie derivative",
    caption="How the {representation} of {data} moves when a smooth transformation sets in.",
    names_absent=False,
)
RETRIEVAL = replace(_PER_DATA_SET, title="Retrieval", family="retrieval")
ABLATION = replace(
    _PER_DATA_SET,
    title="Loss ablation",
    family="probe",
    caption="Which terms of the loss do what on {data}. SimCLR and CARE weigh invariance and uniformity as InfoNCE "
    "does, at its temperature, but for an invariance weight that their row names; the rows of single terms are the "
    "terms as the paper writes them.",
    metrics=("top1", "wahba_error", "gamma"),
    headers={"top1": "top-1, {protocol}"},
    methods=(*TERMS, "simclr", "care"),
    needs=TERMS,
)
POINT_CLOUDS = replace(
    _PER_DATA_SET,
    title="Rotated point clouds",
    family="point clouds",
    caption="First principal component of rotated point clouds of {data}, predicted from the frozen encoder.",
    metrics=(
        "first_pc_r2",
        "first_pc_angle",
        "wahba_error",
        "trajectory_planarity",
        "trajectory_step_variation",
        "trajectory_group_residual",
        "trajectory_closure",
    ),
)
OTHERS = Spec(
    title="Other measurements",
    family="",
    each=("data", "representation"),
    group="protocol",
    order=("protocol", "metric"),
    caption="Metrics that no other table shows.",
)
TRAINING = Spec(
    title="The added term in training",
    family="training",
    each=("protocol",),
    group="data",
    order=("data", "metric"),
)
TABLES = (
    PROBES,
    EQUIVARIANCE,
    POSITIVE_PAIRS,
    COMPOSITION,
    CERTIFICATE,
    HELD_OUT,
    PREDICTION,
    PROFILE,
    LIE_DERIVATIVE,
    RETRIEVAL,
    ABLATION,
    POINT_CLOUDS,
    TRAINING,
)
"""In the order of the report; the comparison with the paper and the other measurements follow."""
SNAPSHOT_TABLES = (EQUIVARIANCE, POSITIVE_PAIRS)
"""Tables of encoders before the end of training; other measurements follow."""


def build_tables(grid: Grid, paper: list[PaperValue] | str) -> tuple[list[Table], list[str]]:
    """Build every table of the encoders after the last step.

    Args:
        grid: the records.
        paper: the paper's values, or the reason why there are none.

    Returns:
        The tables, and a sentence for each that cannot be filled.
    """
    tables, absent, rest = _build(grid, TABLES)
    beside_paper = paper_table(grid, paper)
    if isinstance(beside_paper, Table):
        tables.append(beside_paper)
    else:
        absent.append(beside_paper)
    return [*tables, *rest], [*absent, *grid.unmeasured]


def snapshot_tables(collection: Collection) -> list[Table]:
    """Build the tables of the snapshots, by epoch: the numbers of training curves."""
    epochs = sorted({place.epoch for place in collection.groups if place.epoch is not None})
    found = ((epoch, _build(Grid(collection, epoch), SNAPSHOT_TABLES)) for epoch in epochs)
    return [replace(table, epoch=epoch) for epoch, (tables, _, rest) in found for table in (*tables, *rest)]


def _build(grid: Grid, specs: Iterable[Spec]) -> tuple[list[Table], list[str], list[Table]]:
    """Return tables of some specs, sentences on specs without a table, and tables of all other metrics."""
    tables: list[Table] = []
    absent: list[str] = []
    rest = grid.keys
    for spec in specs:
        found = list(_tables(grid, spec, grid.keys))
        tables += [table for table, _ in found]
        shown = {key for _, keys in found for key in keys}
        rest = [key for key in rest if key not in shown]
        if not found:
            absent.append(f"{spec.title}: nothing measured in this collection of profile {grid.profile}.")
    return tables, absent, [table for table, _ in _tables(grid, OTHERS, rest)]


def _tables(grid: Grid, spec: Spec, columns: Iterable[Key]) -> Iterator[tuple[Table, list[Key]]]:
    """Build the tables of a spec from some columns of a grid, each with the columns it shows."""
    family = _of_family(spec.family) or tuple(dict.fromkeys(key.metric for key in grid.sorted(columns, ["metric"])))
    metrics = spec.metrics or family
    each: Callable[[Key], object] = attrgetter(*spec.each)
    chosen = grid.sorted((key for key in columns if key.metric in metrics), spec.each)
    for _, place in groupby(chosen, key=each):
        keys = grid.sorted(place, spec.order, metrics)
        rows = grid.rows(keys)
        if any(key.metric in family for key in keys) and (
            not spec.needs or any(row.method in spec.needs for row in rows)
        ):
            yield _table(grid, spec, metrics, keys, rows), keys


def _table(grid: Grid, spec: Spec, metrics: Sequence[str], keys: list[Key], rows: list[Variant]) -> Table:
    place = keys[0]._asdict()
    present = [metric for metric in metrics if metric in {key.metric for key in keys}]
    absent = "; ".join(metric_label(metric) for metric in metrics if metric not in present)
    shown = _method_rows(grid, spec.methods, rows) if spec.methods else [(grid.labels[row], row) for row in rows]
    cells = grid.cells([row for _, row in shown], keys)
    sentences = (
        spec.caption.format(**place),
        f"Not part of profile {grid.profile}: {absent}." if absent and spec.names_absent else "",
        grid.protocols(keys),
        grid.differing([row for _, row in shown if row], keys),
        *grid.cheated(keys),
        *reading(cells),
    )
    headers = (spec.headers.get(key.metric, "").format(**key._asdict()) or metric_label(key.metric) for key in keys)
    return Table(
        title=", ".join([spec.title, *(place[part] for part in spec.each)]),
        caption=tuple(filter(None, sentences)),
        columns=tuple(
            grid.column(key, getattr(key, spec.group), name) for key, name in zip(keys, headers, strict=True)
        ),
        rows=tuple(label for label, _ in shown),
        cells=cells,
    )


def _method_rows(grid: Grid, methods: Sequence[str], present: list[Variant]) -> list[tuple[str, Variant | None]]:
    """Rows by method, wrapped methods only around SimCLR; one without a variant where the profile lacks the method."""
    rows: list[tuple[str, Variant | None]] = []
    for method in methods:
        found = [variant for variant in present if variant.method == method and variant.base in (None, "simclr")]
        rows += [(grid.labels[variant] + _infonce(method, variant.setting), variant) for variant in found]
        rows += [] if found else [(method_label(method) + _infonce(method), None)]
    return rows


def _infonce(method: str, setting: str = "") -> str:
    """Say of SimCLR with the weights of a plain name what its loss is."""
    return " = InfoNCE" if method == "simclr" and not setting else ""


def _of_family(family: str) -> tuple[str, ...]:
    """Metrics of the protocols of a family, in display order."""
    found = {metric.name for protocol in OURS if protocol.family == family for metric in protocol.metrics}
    return tuple(metric for metric in METRICS if metric in found)
