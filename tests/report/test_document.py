"""The section of a collection: it cites every record, and states what a reader must know."""

from __future__ import annotations

from collections.abc import Callable

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.report.document import build_section, glossary_section
from care_bench.report.model import Definitions, Facts, Section, Statements
from care_bench.report.paper import PaperValue
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
    assert section.provenance is not None
    ids = [one.id for group in section.provenance.runs for run in group.runs for one in run.values if one]
    assert sorted(ids) == sorted(cited)
    assert section.evidence is None
    assert absent(records)[-3:] == [
        "first-pc-v1, digits (convnet): digits holds images, not point clouds (records without a value: 2).",
        "retrieval-v1 (tint distance), digits (convnet): digits has no tint (records without a value: 1).",
        "Snapshots after epochs 2, 10: 9 records, whose rows are in report.csv (`--format csv`).",
    ]


def facts(found: Section) -> dict[str, str]:
    (part,) = (part for part in found.parts if isinstance(part, Facts))
    return dict(part.items)


def settings(found: Section) -> str:
    (part,) = (part for part in found.parts if isinstance(part, Statements) and part.title == "Settings")
    return "\n".join(part.items)


def test_a_section_names_the_code_that_trained_and_the_code_that_measured(record: Make) -> None:
    trained = {"trained_code_version": "1+g0.dirty"}
    lone = build_section(small([record(variant="care", code_version="1+g1", environment=trained)]), NO_PAPER)
    assert facts(lone)["code version"] == "1+g0.dirty, 1+g1"
    assert "not committed (.dirty)" in "\n".join(statements(lone))


def test_what_a_section_says_before_any_number(record: Make) -> None:
    lone = build_section(small([record(variant="care", code_version="1+g0.dirty")]), NO_PAPER)
    assert facts(lone) == {
        "profile": "small",
        "data sets": "digits",
        "pretraining seeds": "1 (0)",
        "rows": "1",
        "runs": "1",
        "records": "1",
        "code version": "1+g0.dirty",
        "state": "not pinned (`care-bench pin NAME --collection small`)",
    }
    text = "\n".join(statements(lone))
    assert "One seed proves nothing: no ranking follows from these tables." in text
    assert "not committed (.dirty)" in text
    assert "`released-code` is the loss as the authors' code has it" in settings(lone)
    two = build_section(Collection("fixed", (record(), record(seed=5)), pinned_on="2026-01-02"), NO_PAPER)
    assert statements(two) == []
    assert facts(two)["pretraining seeds"] == "2 (0, 5)"
    assert facts(two)["state"] == "pinned on 2026-01-02; every file matches the manifest"
    assert "idelity" not in settings(two)
    assert two.key == "pinned/fixed"


def test_the_order_of_a_section(records: list[Record]) -> None:
    value = PaperValue("simclr", None, "cifar10", 90.98, 0.10, "paper")
    titles = [getattr(part, "title", None) for part in build_section(small(records), [value]).parts]
    assert titles[:5] == [
        None,
        "How to read the tables",
        "The paper's Table 1 beside ours",
        "Loss ablation, digits (convnet)",
        "Probe accuracy, cached-v1",
    ]
    assert titles[-2:] == ["Not in this report", "Settings"]


def test_the_glossary_explains_every_metric_once(records: list[Record]) -> None:
    (part,) = glossary_section([small(records), small(records)]).parts
    assert isinstance(part, Definitions)
    explained = [name for names, *_ in part.items for name in names]
    assert len(explained) == len(set(explained))
    assert {record.metric for record in records} - set(explained) == {"effective_rank"}  # a metric that is not ours
    (wahba,) = (text for names, _, text in part.items if "wahba_error" in names)
    assert wahba.count("Worst: the draw with the largest error.") == 1
    assert "Range: 0 to 2 √n" in wahba
    of_tables = {column.term for table in tables(records).values() for column in table.columns}
    assert of_tables - set(explained) == {"effective_rank"}
