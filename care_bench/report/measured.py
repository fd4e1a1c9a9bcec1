"""What `care-bench measure` prints: the numbers to read first, beside what 0 and 1 mean."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from care_bench.artifacts import Record
from care_bench.evaluation.glossary import entries
from care_bench.report.labels import metric_label
from care_bench.report.statistics import number

FIRST = (
    ("knn-v1", "top1"),
    ("relative-equivariance-v1", "invariance"),
    ("held-out-wahba-v1", "held_out_wahba"),
    ("held-out-wahba-v1", "held_out_linear"),
    ("equivariant-retrieval-v1", "transformed_mrr"),
    ("relative-equivariance-v1", "gamma_median"),
    ("alignment-uniformity-v1", "uniformity"),
    ("augmentation-profile-v1", "profile_crop"),
    ("augmentation-profile-v1", "profile_hue"),
    ("augmentation-profile-v1", "profile_rotation"),
)
"""Protocol and metric of each line."""


def measured_table(records: Sequence[Record], name: str, floor: Sequence[Record] = ()) -> Table:
    """Return the first numbers of an encoder: a line per metric, a column per layer; beneath, why some have none.

    Args:
        records: of one encoder.
        name: the encoder's.
        floor: records of the encoder that it is read against, in columns of their own.
    """
    columns = list(dict.fromkeys((one.variant, one.representation) for one in (*records, *floor)))
    beneath = {one.variant for one in floor}
    found = {(one.protocol, one.metric, one.variant, one.representation): one for one in (*records, *floor)}
    table = Table(title=name, title_justify="left")
    table.add_column("metric")
    for variant, representation in columns:
        layer = variant.partition("@")[2] or representation
        table.add_column(f"{layer}, floor" if variant in beneath else layer, justify="right")
    table.add_column("0 means")
    table.add_column("1 means")
    meaning = {metric: entry for entry in entries() for metric in entry.metrics}
    missing: list[str] = []
    for protocol, metric in FIRST:
        cells = [_text(found.get((protocol, metric, *column))) for column in columns]
        label = f"kNN {metric_label(metric)} (%)" if protocol == "knn-v1" else metric_label(metric)
        reasons = [one.reason for column in columns if (one := found.get((protocol, metric, *column))) and one.reason]
        missing += [f"{label}: {reason}" for reason in dict.fromkeys(reasons)]
        if any(cells):
            entry = meaning[metric]
            table.add_row(label, *cells, entry.zero, entry.one)
    if missing:
        table.caption, table.caption_justify = f"Without a number: {'; '.join(missing)}.", "left"
    return table


def _text(record: Record | None) -> str:
    return "" if record is None or record.value is None else number(record.value, record.unit)
