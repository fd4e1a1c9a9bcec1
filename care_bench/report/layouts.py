"""The tables of a report: a line for each that a collection cannot fill, and one for what no other table shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from care_bench.artifacts.collection import Collection
from care_bench.report.grid import Grid, Key
from care_bench.report.labels import (
    METRICS,
    Variant,
    method_label,
    metric_order,
    probe_order,
)
from care_bench.report.paper import PaperValue, paper_table
from care_bench.report.tables import Table

EQUIVARIANCE = (
    *("wahba_error", "wahba_error_worst", "wahba_error_per_sample"),
    *("gamma", "gamma_median", "gamma_trimmed", "invariance"),
    *("cosine_mean", "cosine_variance", "cosine_opposed", "alignment", "uniformity"),
)
ABLATION = ("invariance", "uniformity", "equivariance", "uniformity_equivariance", "simclr", "care")
ABLATION_METRICS = ("top1", "wahba_error", "gamma")
FIRST_COMPONENT = ("first_pc_r2", "first_pc_angle")
TRAJECTORIES = ("trajectory_planarity", "trajectory_step_variation")
PROTEIN_METRICS = (*FIRST_COMPONENT, "wahba_error", *TRAJECTORIES)
RETRIEVAL = {
    "retrieval_overlap": "Overlap: the share of the five nearest train samples of f(x) that f(a(x)) has as well.",
    "retrieval_tint_distance": "Tint distance: how far the neighbours' colour is from the query's, 1 by chance.",
}
POSITIVE_PAIRS = dict.fromkeys(
    (f"positive_cosine_{point}" for point in ("mean", "05", "25", "50", "75", "95")),
    "Cosine of f(a(x)) and f(a'(x)) over the test samples and pairs of sampled augmentations: its mean, and the points "
    "below which 5 to 95 % of the cosines lie.",
)
COMPOSITION = {
    "composition_error": "Root mean square over the test samples of |(R_a'a - R_a' R_a) f(x)|, mean over pairs of "
    "augmentations: 0 where composed augmentations act as composed rotations, and near invariance as well; read it "
    "beside Wahba's error and the invariance."
}
WAHBA = "Wahba's error is small for a collapsed or invariant encoder too: read it beside invariance and uniformity."
TURNS = (
    "Trajectory: the curve of an embedding while its cloud turns once about an axis. Planarity: the share of its "
    "variance in two principal components, 100 for a circle; step variation: 0 at constant speed. Near invariance it "
    "hardly moves: read it beside the invariance."
)
GAMMA = (
    "γ is a mean of ratios without bound near invariance: read it beside its median and the invariance. It is about "
    "1/(2d) also where views have nothing to do with the input: read it beside Wahba's error."
)


@dataclass
class Layout:
    """Tables of one collection, a line for each table it cannot fill, and the keys that have been shown."""

    labels: dict[Variant, str]
    tables: list[Table] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    shown: set[Key] = field(default_factory=set)

    def add(self, table: Table, keys: Iterable[Key]) -> None:
        """Take a table, and remember which keys it shows."""
        self.tables.append(table)
        self.shown |= set(keys)


def lay_out(collection: Collection, paper: list[PaperValue] | str) -> Layout:
    """Build every table of a collection, of its encoders after the last step.

    Args:
        collection: the records.
        paper: the paper's values, or the reason why there are none.
    """
    grid = Grid(collection)
    layout = Layout(grid.labels)
    for build in (_probes, _equivariance, _positive_pairs, _composition, _retrieval, _ablation, _proteins):
        before = len(layout.tables)
        name = build(grid, layout)
        if len(layout.tables) == before:
            layout.absent.append(f"{name}: nothing measured in this collection of profile {grid.profile}.")
    found = paper_table(grid, paper)
    if isinstance(found, Table):
        layout.tables.append(found)
    else:
        layout.absent.append(found)
    layout.absent += grid.unmeasured
    _others(grid, layout)
    snapshots = [record.epoch for record in collection.records if record.epoch is not None]
    if snapshots:
        epochs = ", ".join(map(str, sorted(set(snapshots))))
        layout.absent.append(
            f"Snapshots after epochs {epochs}: {len(snapshots)} records, whose rows are in report.csv."
        )
    return layout


def lay_out_snapshots(collection: Collection) -> dict[int, list[Table]]:
    """Build the tables of what was measured before the end of training, by epoch: the numbers of training curves.

    A snapshot is measured under protocols of the equivariance tables, which keep their titles; whatever else there is
    stands in tables of its own.
    """
    tables = {}
    for epoch in sorted({record.epoch for record in collection.records if record.epoch is not None}):
        grid = Grid(collection, epoch)
        layout = Layout(grid.labels)
        _equivariance(grid, layout)
        _positive_pairs(grid, layout)
        _others(grid, layout)
        tables[epoch] = layout.tables
    return tables


def _probes(grid: Grid, layout: Layout) -> str:
    """One table per probing protocol: data sets as spanning headers, representations below them."""
    keys = [key for key in grid.keys if key.metric == "top1"]
    for protocol in sorted({key.protocol for key in keys}, key=probe_order):
        chosen = [key for key in keys if key.protocol == protocol]
        columns = [(key, grid.column(key, key.data, f"top-1, {key.representation}")) for key in chosen]
        caption = "Top-1 accuracy on the test split of a classifier on the frozen encoder."
        layout.add(grid.table(f"Probe accuracy, {protocol}", caption, columns), chosen)
    return "Probe accuracy"


def _equivariance(grid: Grid, layout: Layout) -> str:
    """One table per data set and representation: a column per metric, protocols as spanning headers."""
    keys = [key for key in grid.keys if key.metric in EQUIVARIANCE]
    for data, representation in _places(keys):
        chosen = [key for key in keys if (key.data, key.representation) == (data, representation)]
        chosen.sort(key=lambda key: (metric_order(key.metric), key.protocol))
        absent = [METRICS[metric] for metric in EQUIVARIANCE if metric not in {key.metric for key in chosen}]
        caption = f"Equivariance of the {representation} to augmentations of the test split of {data}."
        if any(key.metric == "wahba_error" for key in chosen):
            caption += " " + WAHBA
        if any(key.metric == "gamma" for key in chosen):
            caption += " " + GAMMA
        if absent:
            caption += f" Not part of profile {grid.profile}: {'; '.join(absent)}."
        columns = [(key, grid.column(key, key.protocol)) for key in chosen]
        layout.add(grid.table(f"Equivariance, {data}, {representation}", caption, columns), chosen)
    return "Equivariance"


def _retrieval(grid: Grid, layout: Layout) -> str:
    """What the nearest train samples of a test sample tell."""
    return _by_data_set(grid, layout, "Retrieval", RETRIEVAL)


def _positive_pairs(grid: Grid, layout: Layout) -> str:
    """How far apart two augmented views of a sample are: the distribution."""
    return _by_data_set(grid, layout, "Positive pairs", POSITIVE_PAIRS)


def _composition(grid: Grid, layout: Layout) -> str:
    """Whether composed augmentations act as composed rotations."""
    return _by_data_set(grid, layout, "Composition", COMPOSITION)


def _by_data_set(grid: Grid, layout: Layout, title: str, metrics: Mapping[str, str]) -> str:
    """One table per data set of metrics that have a sentence each: a column per metric and representation."""
    keys = [key for key in grid.keys if key.metric in metrics]
    for data in dict.fromkeys(key.data for key in keys):
        chosen = sorted(
            (key for key in keys if key.data == data), key=lambda key: (*grid.place(key), metric_order(key.metric))
        )
        columns = [(key, grid.column(key, key.representation)) for key in chosen]
        present = {key.metric for key in chosen}
        caption = " ".join(dict.fromkeys(sentence for metric, sentence in metrics.items() if metric in present))
        layout.add(grid.table(f"{title}, {data}", caption, columns), chosen)
    return title


def _ablation(grid: Grid, layout: Layout) -> str:
    """One table per data set with a probe: the terms of the loss as rows, up to CARE with SimCLR as its base."""
    terms = {variant.method for variant in grid.rows(grid.keys)} & (set(ABLATION) - {"simclr", "care"})
    for data in dict.fromkeys(key.data for key in grid.keys if key.metric == "top1"):
        chosen = [key for key in grid.keys if key.data == data and key.metric in ABLATION_METRICS]
        chosen.sort(key=lambda key: (*grid.place(key), ABLATION_METRICS.index(key.metric), probe_order(key.protocol)))
        if not terms & {variant.method for variant in grid.rows(chosen)}:
            continue
        rows = [row for method in ABLATION for row in _ablation_rows(grid, method, grid.rows(chosen))]
        columns = [(key, grid.column(key, key.representation, _probe_name(key))) for key in chosen]
        caption = (
            f"Which terms of the loss do what on {data}. InfoNCE and CARE weigh invariance and uniformity as InfoNCE "
            "does, at its temperature; the rows of single terms are the terms as the paper writes them."
        )
        layout.add(grid.table(f"Loss ablation, {data}", caption, columns, rows), chosen)
    return "Loss ablation"


def _ablation_rows(grid: Grid, method: str, present: list[Variant]) -> list[tuple[str, Variant | None]]:
    found = [variant for variant in present if variant.method == method and variant.base in (None, "simclr")]
    suffix = " = InfoNCE" if method == "simclr" else ""
    if not found:
        return [(f"{method_label(method)}{suffix}", None)]
    return [(f"{grid.labels[variant]}{suffix}", variant) for variant in found]


def _proteins(grid: Grid, layout: Layout) -> str:
    """Prediction of the first principal component of a rotated point cloud, Wahba's error, and trajectories."""
    for data in dict.fromkeys(key.data for key in grid.keys if key.metric in FIRST_COMPONENT + TRAJECTORIES):
        chosen = [key for key in grid.keys if key.data == data and key.metric in PROTEIN_METRICS]
        chosen.sort(key=lambda key: (*grid.place(key), PROTEIN_METRICS.index(key.metric), key.protocol))
        columns = [(key, grid.column(key, key.representation)) for key in chosen]
        caption = f"First principal component of rotated point clouds of {data}, predicted from the frozen encoder."
        if any(key.metric in TRAJECTORIES for key in chosen):
            caption += f" {TURNS}"
        layout.add(grid.table(f"Rotated point clouds, {data}", caption, columns), chosen)
    return "Rotated point clouds"


def _others(grid: Grid, layout: Layout) -> None:
    """Whatever no other table shows: nothing that was measured is left out."""
    keys = [key for key in grid.keys if key not in layout.shown]
    for data, representation in _places(keys):
        chosen = [key for key in keys if (key.data, key.representation) == (data, representation)]
        chosen.sort(key=lambda key: (key.protocol, metric_order(key.metric)))
        columns = [(key, grid.column(key, key.protocol)) for key in chosen]
        title = f"Other measurements, {data}, {representation}"
        layout.add(grid.table(title, "Metrics that no other table shows.", columns), chosen)


def _places(keys: list[Key]) -> list[tuple[str, str]]:
    """Data and representation of some keys, in the order of the tables."""
    return list(dict.fromkeys((key.data, key.representation) for key in keys))


def _probe_name(key: Key) -> str | None:
    return f"top-1, {key.protocol}" if key.metric == "top1" else None
