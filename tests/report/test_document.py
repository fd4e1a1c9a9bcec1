"""The section of a collection: it cites every record, and states what a reader must know."""

from __future__ import annotations

from collections.abc import Callable

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.report.document import build_section
from tests.report.laid_out import NO_PAPER, absent, small, statements, tables

Make = Callable[..., Record]


def test_every_record_is_cited_in_a_table(records: list[Record]) -> None:
    reasons = ("digits holds images, not point clouds", "digits has no tint")
    inapplicable = [record for record in records if record.reason in reasons]
    cited = {name for table in tables(records).values() for row in table.cells for cell in row for name in cell.ids}
    shown = [record for record in records if record not in inapplicable and record.epoch is None]
    assert len(inapplicable) == 3
    assert cited == {record.id for record in shown}
    section = build_section(small(records), NO_PAPER)
    assert section.evidence is not None
    assert list(section.evidence.rows) == sorted(cited)
    digests = {row[3].whole for row in section.evidence.cells}
    assert digests == {record.sha256 for record in shown}
    assert absent(records)[-3:] == [
        "first-pc-v1, digits (convnet): digits holds images, not point clouds (records without a value: 2).",
        "retrieval-v1 (tint distance), digits (convnet): digits has no tint (records without a value: 1).",
        "Snapshots after epochs 2, 10: 9 records, whose rows are in report.csv.",
    ]


def test_the_statements_of_a_section(record: Make) -> None:
    lone = build_section(small([record(variant="care", code_version="1+g0.dirty")]), NO_PAPER)
    text = "\n".join(statements(lone))
    assert "Number of pretraining seeds: 1 (0). One seed proves nothing: no ranking follows from these tables." in text
    assert "Not pinned: pin it with `care-bench pin NAME --collection small`." in text
    assert "`released-code` is the loss as the authors' code has it" in text
    assert "not committed (.dirty)" in text
    two = build_section(Collection("fixed", (record(), record(seed=5)), pinned_on="2026-01-02"), NO_PAPER)
    text = "\n".join(statements(two))
    assert "Number of pretraining seeds: 2 (0, 5)." in text
    assert "Pinned on 2026-01-02" in text
    assert "proves nothing" not in text
    assert "idelity" not in text
    assert two.key == "pinned/fixed"
