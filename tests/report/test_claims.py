"""The claims in front of a collection whose profile has rules."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from care_bench.artifacts.collecting import collect
from care_bench.artifacts.collection import Collection
from care_bench.errors import CareBenchError
from care_bench.report.build import write_report
from care_bench.report.claims import COMPARISONS, TITLE, claims_of, read_rules
from care_bench.report.model import Table
from tests.evidence.made import claim, rules
from tests.report.decided import HIGHER, TEXTS, UNDECIDED, WORSE, PerSeed, laid_out, small
from tests.sample_records import write_runs


@pytest.fixture
def collection(per_seed: PerSeed) -> Collection:
    return small(per_seed)


def test_every_claim_has_a_row_with_its_verdict(collection: Collection) -> None:
    found = laid_out(collection, claim(), WORSE, UNDECIDED)
    assert found is not None
    table, comparisons = found
    assert isinstance(table, Table)
    assert table.rows == ("C5", "C7", "C9")
    assert [row[1].text for row in table.cells] == ["supported", "contradicted", "not run"]
    assert [row[2].text for row in table.cells] == ["1 for", "1 against", ""]
    # Mean difference -0.5; deviation 0.0158, over sqrt(5) and times 2.776 it is 0.0196.
    assert table.cells[0][3].text == "Wahba, mean of care against simclr, digits, projection, wahba-v1"
    assert table.cells[0][4].text == "difference -0.5000 [-0.5196, -0.4804]"
    assert [cell.text for cell in table.cells[0][6:8]] == ["5", "10"]
    assert table.cells[2][3].notes == ("Nothing measures it.",)
    assert "supported: 1, contradicted: 1, not run: 1." in table.caption
    assert f"Rules: reference/claims.yaml, SHA-256 {'d' * 64}; seeds 0, 1, 2, 3, 4. " in table.caption[-1]
    compared = "Wahba, mean of care against simclr, digits, projection, wahba-v1"
    assert comparisons.rows == (f"C5: {compared}", f"C7: {compared}")
    assert set(comparisons.cells[0][0].ids) == {record.id for record in collection.records}


def test_one_line_where_no_claim_is_decided(collection: Collection) -> None:
    found = laid_out(collection, claim(least_seeds=6), UNDECIDED)
    assert found is not None
    (line,) = found[0].items  # type: ignore[union-attr]
    assert line.startswith(
        "No claim is decided: wahba_error of care on digits (wahba-v1): 5 pairs of seeds; at least 6"
    )


def kept(collection: Collection, *claims: dict[str, Any], **changes: Any) -> Collection:
    return replace(collection, rules=json.dumps(rules(*claims, **{**TEXTS, **changes})).encode())


@pytest.mark.parametrize(
    ("before", "seeds", "said"),
    [
        ([claim(), WORSE, UNDECIDED], [0, 1, 2, 3, 4], "They are as they were before the run."),
        ([claim({"smallest_effect": -0.1}), WORSE, UNDECIDED], [0, 1, 2, 3, 4], "Rules changed after the run: C5."),
        ([claim(), {**UNDECIDED, "id": "C8"}], [0, 1, 2, 3, 4], "Rules changed after the run: C7, C9, C8."),
        ([claim(), WORSE, UNDECIDED], [0, 1, 2, 3, 5], "Rules changed after the run: C5, C7, C9."),
    ],
)
def test_rules_that_were_changed_after_the_run_are_named(
    collection: Collection, before: list[dict[str, Any]], seeds: list[int], said: str
) -> None:
    found = laid_out(kept(collection, *before, seeds=seeds), claim(), WORSE, UNDECIDED)
    assert found is not None
    assert found[0].caption[-1].endswith(said)  # type: ignore[union-attr]
    marked = [row[-1].text.endswith("(the rule was changed after the run)") for row in found[0].cells]  # type: ignore[union-attr]
    assert marked == [name in said for name in ("C5", "C7", "C9")]


@pytest.mark.parametrize("number", [1, 12])
def test_rules_that_were_kept_after_runs_are_not_called_those_of_before(collection: Collection, number: int) -> None:
    before = kept(collection, claim(), WORSE, UNDECIDED)
    runs = "1 run" if number == 1 else "12 runs"
    note = f"# Kept after {runs} had been trained or measured.\n".encode()
    late = replace(before, rules=note + (before.rules or b""))
    said = f"They were kept after {runs} had been trained or measured: no verdict is preregistered."
    for found, end in (
        (laid_out(late, claim(), WORSE, UNDECIDED), said),
        (laid_out(late, claim({"smallest_effect": -0.1}), WORSE), f"{said} Rules changed since then: C5, C9."),
        (claims_of(late, None), said),
    ):
        assert found is not None
        assert found[0].caption[-1].endswith(end)  # type: ignore[union-attr]


def test_the_rules_of_the_run_decide_where_there_are_no_others(collection: Collection) -> None:
    found = claims_of(kept(collection, claim()), None)
    assert found is not None
    assert found[0].cells[0][1].text == "supported"  # type: ignore[union-attr]
    assert found[0].caption[-1].startswith("Rules: collected/small/claims.yaml, SHA-256 ")  # type: ignore[union-attr]


def test_the_rules_of_the_run_decide_where_the_others_are_for_other_seeds(collection: Collection) -> None:
    """Rules that are corrected after the verdicts were read are for new runs: the old ones keep their verdicts."""
    old = kept(collection, claim(), UNDECIDED)
    found = laid_out(old, claim({"smallest_effect": -0.1}), UNDECIDED, seeds=[5, 6, 7, 8, 9])
    assert found is not None
    table = found[0]
    assert isinstance(table, Table)
    assert [row[1].text for row in table.cells] == ["supported", "not run"]
    assert table.caption[-1].startswith("Rules: collected/small/claims.yaml, SHA-256 ")
    assert table.caption[-1].endswith(
        "They are as they were before the run. Since then reference/claims.yaml has other rules for C5, for seeds that "
        "are not here: 5, 6, 7, 8, 9."
    )
    assert not any("changed after the run" in row[-1].text for row in table.cells)
    same = laid_out(old, claim(), UNDECIDED, seeds=[5, 6, 7, 8, 9])
    assert same is not None
    assert "Since then reference/claims.yaml has the same rules, for seeds" in same[0].caption[-1]  # type: ignore[union-attr]


def test_rules_of_the_run_that_are_missing_or_of_another_time(collection: Collection) -> None:
    for one, said in (
        (collection, "The rules as they were before the run were not kept."),
        (replace(collection, rules=b"claims: []"), "The rules as they were before the run cannot be read: collected/"),
    ):
        found = laid_out(one, claim())
        assert found is not None
        assert said in found[0].caption[-1]  # type: ignore[union-attr]


def test_rules_of_another_profile_say_nothing(collection: Collection) -> None:
    assert laid_out(collection, claim(), profile="cpu") is None
    assert claims_of(collection, None) is None


def test_the_effect_shown_is_the_one_that_decides(per_seed: PerSeed, collection: Collection) -> None:
    more = per_seed(HIGHER, variant="care-weight-3", metric="wahba_error")
    found = laid_out(Collection("small", (*collection.records, *more)), claim({"rows": ["care", "care-weight-3"]}))
    assert found is not None
    (row,) = found[0].cells  # type: ignore[union-attr]
    assert [cell.text for cell in row[1:3]] == ["contradicted", "1 for, 1 against"]
    assert row[3].text == "Wahba, mean of care-weight-3 against simclr, digits, projection, wahba-v1"
    assert row[4].text.startswith("difference 0.5000")


def test_a_report_begins_with_the_claims(results: Path, tmp_path: Path, collection: Collection) -> None:
    collect(write_runs(results / "runs" / "claims", collection.records), results / "collected" / "small")
    path = results / "reference" / "claims.yaml"
    path.write_text(json.dumps(rules(claim(), **TEXTS)))
    printed = io.StringIO()
    formats = ["md", "tex", "html", "csv"]
    console = Console(file=printed, width=160)
    write_report(results, tmp_path / "out", formats, "small", console, print_all=True)
    text = printed.getvalue()
    assert text.index("CARE has a lower error.") < text.index("How to read the tables")
    for name in ("report.md", "tables/collected-small--Claims.tex", "index.html"):
        assert "supported" in (tmp_path / "out" / name).read_text()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "report.csv").read_text())))
    (effect,) = [row for row in rows if (row["table"], row["column"]) == (TITLE, "effect")]
    assert [float(effect[key]) for key in ("value", "low", "high")] == pytest.approx(
        [-0.5, -0.51963, -0.48037], abs=1e-5
    )
    (side,) = [row for row in rows if (row["table"], row["column"]) == (COMPARISONS, "side")]
    assert len(side["ids"].split()) == 10
    assert hashlib.sha256(path.read_bytes()).hexdigest() in (tmp_path / "out" / "report.md").read_text()


def test_damaged_rules_are_one_line(results: Path) -> None:
    assert read_rules(results, "small") is None
    path = results / "reference" / "claims.yaml"
    path.write_text(json.dumps(rules(claim({"metric": "wahba_eror"}), **TEXTS)))
    with pytest.raises(CareBenchError, match=r"claims\.yaml: claim C5: unknown metric of wahba-v1 'wahba_eror'"):
        write_report(results, collection="small")
