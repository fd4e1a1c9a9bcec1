"""The claims in front of a collection whose profile has rules."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from care_bench.artifacts import Record
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.collection import Collection
from care_bench.config.claims import parse_claims
from care_bench.errors import CareBenchError
from care_bench.report.build import write_report
from care_bench.report.claims import COMPARISONS, TITLE, claims_of, read_rules
from care_bench.report.model import Statements, Table
from tests.evidence.made import claim, rules
from tests.resampled import resampled, resamples
from tests.sample_records import write_runs

PerSeed = Callable[..., list[Record]]
LOWER, HIGHER = [0.5, 0.51, 0.49, 0.52, 0.48], [1.5, 1.51, 1.49, 1.52, 1.48]
TEXTS: dict[str, Any] = {"profile": "small", "seeds": [0, 1, 2, 3, 4]}
UNDECIDED = {"id": "C9", "text": "Regular.", "source": "Figure 3", "not_decided": "Nothing measures it."}
WORSE = claim({"direction": "higher"}, id="C7")


@pytest.fixture
def collection(per_seed: PerSeed) -> Collection:
    found = [
        *per_seed([1.0] * 5, variant="simclr", metric="wahba_error"),
        *per_seed(LOWER, variant="care", metric="wahba_error"),
    ]
    return Collection("small", tuple(found))


def laid_out(
    collection: Collection, *claims: dict[str, Any], **changes: Any
) -> tuple[Table | Statements, Table] | None:
    return claims_of(
        collection, (parse_claims(rules(*claims, **{**TEXTS, **changes}), "here"), "d" * 64, "reference/claims.yaml")
    )


def test_every_claim_has_a_row_with_its_verdict(collection: Collection) -> None:
    found = laid_out(collection, claim(), WORSE, UNDECIDED)
    assert found is not None
    table, comparisons = found
    assert isinstance(table, Table)
    assert table.rows == ("C5", "C7", "C9")
    assert [row[1].text for row in table.cells] == ["supported (1 for)", "contradicted (1 against)", "not run"]
    # Mean difference -0.5; deviation 0.0158, over sqrt(5) and times 2.776 it is 0.0196.
    assert table.cells[0][2].text == "Wahba, mean of care against simclr, digits, projection, wahba-v1"
    assert table.cells[0][3].text == "difference -0.5000 [-0.5196, -0.4804]"
    assert [cell.text for cell in table.cells[0][5:7]] == ["5", "10"]
    assert table.cells[2][2].notes == ("Nothing measures it.",)
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
    assert found[0].cells[0][1].text == "supported (1 for)"  # type: ignore[union-attr]
    assert found[0].caption[-1].startswith("Rules: collected/small/claims.yaml, SHA-256 ")  # type: ignore[union-attr]


def test_the_rules_of_the_run_decide_where_the_others_are_for_other_seeds(collection: Collection) -> None:
    """Rules that are corrected after the verdicts were read are for new runs: the old ones keep their verdicts."""
    old = kept(collection, claim(), UNDECIDED)
    found = laid_out(old, claim({"smallest_effect": -0.1}), UNDECIDED, seeds=[5, 6, 7, 8, 9])
    assert found is not None
    table = found[0]
    assert isinstance(table, Table)
    assert [row[1].text for row in table.cells] == ["supported (1 for)", "not run"]
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
    assert row[1].text == "contradicted (1 for, 1 against)"
    assert row[2].text == "Wahba, mean of care-weight-3 against simclr, digits, projection, wahba-v1"
    assert row[3].text.startswith("difference 0.5000")


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


def test_intervals_over_test_samples_stand_beside_those_over_seeds(collection: Collection) -> None:
    halves = {"simclr": (1.0, 1.0, 1.0), "care": (0.4, 0.5, 0.6)}
    lines = [resamples(one, resampled(one, halves[one.variant])) for one in collection.records]
    found = laid_out(replace(collection, resamples=tuple(lines)), claim(), WORSE, UNDECIDED)
    without = laid_out(collection, claim(), WORSE, UNDECIDED)
    assert found is not None
    assert without is not None
    (table, comparisons), (before, compared) = found, without
    assert isinstance(table, Table)
    assert isinstance(before, Table)
    named = ["effect", "over test samples", "over both", "verdict over both", "p (Holm)"]
    assert [column.name for column in table.columns[3:8]] == named
    assert [[*row[:4], *row[7:]] for row in table.cells] == [list(row) for row in before.cells], "nothing else changes"
    # Deviation 0.1 over three halves of 5 of 10, times 4.3027, the quantile of t with 2 degrees of freedom: 0.4303.
    assert table.cells[0][4].text == "[-0.9303, -0.0697]"
    assert table.cells[0][5].text == "[-0.9307, -0.0693]", "0.4303 and 0.0196 in squares: 0.4307"
    assert [row[6].text for row in table.cells] == ["stands", "stands", ""]
    assert [cell.notes for cell in table.cells[2][4:6]] == [("Nothing measures it.",)] * 2
    assert comparisons.cells[0][-1].text == "[-0.9307, -0.0693] stands"
    assert "from 3 random halves of the test samples. " in table.caption[-2]
    assert before.caption[-2] == "The intervals cover pretraining seeds, not the sampling of test inputs."
    assert [row[:-2] for row in comparisons.cells] == list(compared.cells)
    assert [cell.summary.low for cell in comparisons.cells[1][-2:] if cell.summary] == pytest.approx(
        [-0.93027, -0.93071], abs=1e-5
    )


def test_a_verdict_that_the_test_samples_do_not_bear_is_said_to_fall(collection: Collection) -> None:
    halves = {"simclr": (1.0, 1.0, 1.0), "care": (0.2, 0.5, 0.8)}
    lines = [resamples(one, resampled(one, halves[one.variant])) for one in collection.records]
    found = laid_out(replace(collection, resamples=tuple(lines)), claim())
    assert found is not None
    (row,) = found[0].cells  # type: ignore[union-attr]
    assert row[1].text == "supported (1 for)"
    assert row[5].text == "[-1.791, 0.7909]"
    assert row[6].text == "does not stand"


def test_a_comparison_that_does_not_stand_is_named_beside_a_verdict_that_does(
    per_seed: PerSeed, collection: Collection
) -> None:
    """One comparison against it contradicts a claim, so that another one need not stand."""
    more = per_seed(HIGHER, variant="care-weight-3", metric="wahba_error")
    both = replace(collection, records=(*collection.records, *more))
    halves = {"simclr": (1.0, 1.0, 1.0), "care": (0.4, 0.5, 0.6), "care-weight-3": (1.2, 1.5, 1.8)}
    lines = [resamples(one, resampled(one, halves[one.variant])) for one in both.records]
    rule = claim({"rows": ["care", "care-weight-3"]}, quantifier="any")
    found = laid_out(replace(both, resamples=tuple(lines)), rule)
    assert found is not None
    # Deviation 0.3 over three halves, times 4.3027: 1.29080; with 0.0196 in squares 1.29095, around 0.5.
    assert found[0].cells[0][6].text == "stands; not by Wahba, mean on digits [-0.7909, 1.791] alone"  # type: ignore[union-attr]


def test_the_effect_of_a_blocked_comparison_is_shown(per_seed: PerSeed, collection: Collection) -> None:
    spread = [*per_seed([0.0] * 5, metric="uniformity"), *per_seed([0.5] * 5, variant="care", metric="uniformity")]
    guards = {"collapse": {"protocol": "alignment-uniformity-v1", "metric": "uniformity", "most": 0.05}}
    found = laid_out(replace(collection, records=(*collection.records, *spread)), claim(guards=guards))
    assert found is not None
    (row,) = found[0].cells  # type: ignore[union-attr]
    assert row[1].text == "inconclusive (1 blocked)"
    assert row[3].text == "difference -0.5000 [-0.5196, -0.4804]"
    assert "exceeds that of simclr by 0.5" in row[-1].text
    halves = [resamples(one, resampled(one, (1.0, 1.1))) for one in collection.records[:1]]
    found = laid_out(replace(collection, resamples=tuple(halves)), claim(least_seeds=6), claim(id="C7"))
    assert found is not None
    assert found[0].cells[0][4].notes[0].endswith("5 pairs of seeds; at least 6 are needed (1 of 1 comparisons)")  # type: ignore[union-attr]
    assert found[0].cells[1][4].notes == ("no such effect on halves of the test samples",)  # type: ignore[union-attr]


def many(per_seed: PerSeed) -> Collection:
    """Sixteen seeds: more than exact tests are run for."""
    found = [
        per_seed([value] * 16, variant=name, metric="wahba_error") for name, value in (("simclr", 1.0), ("care", 0.5))
    ]
    return Collection("small", (*found[0], *found[1]))


def test_a_row_that_is_another_method_than_its_name_says_is_named(per_seed: PerSeed) -> None:
    config = '{"method":{"base":{"invariance_weight":0.1,"name":"simclr"},"name":"care"}}'
    weak = {"variant": "care", "config": config, "config_sha256": hashlib.sha256(config.encode()).hexdigest()}
    rows = [
        *per_seed([1.0] * 5, variant="simclr", metric="wahba_error"),
        *per_seed(LOWER, metric="wahba_error", **weak),
    ]
    found = laid_out(Collection("small", tuple(rows)), claim())
    assert found is not None
    assert (
        "Comparisons call rows by their names in the profile: on digits care is "
        "CARE (SimCLR, invariance weight 0.1), paper fidelity."
    ) in found[0].caption  # type: ignore[union-attr]


def test_the_caption_names_the_tests_that_were_run(per_seed: PerSeed, collection: Collection) -> None:
    def caption(found: tuple[Table | Statements, Table] | None) -> str:
        assert found is not None
        assert isinstance(found[0], Table)
        return found[0].caption[1]

    few = caption(laid_out(collection, claim()))
    assert "t-intervals over pretraining seeds with which exact sign-flip tests agree; p is" in few
    seeds = list(range(16))
    assert "without exact tests, which are run for at most 12 seeds" in caption(
        laid_out(many(per_seed), claim(), seeds=seeds)
    )
    part = replace(
        many(per_seed),
        records=(*many(per_seed).records, *per_seed([2.0] * 6, variant="uniformity", metric="wahba_error")),
    )
    mixed = caption(laid_out(part, claim(), claim({"against": ["uniformity"]}, id="C6"), seeds=seeds))
    assert ", with which exact sign-flip tests agree where there are at most 12 seeds" in mixed
    alike = caption(laid_out(collection, claim(), claim({"direction": "equivalent", "margin": 0.1}, id="C6")))
    assert "; an equivalence by two one-sided t-tests at 5 % alone; p is" in alike


def test_damaged_rules_are_one_line(results: Path) -> None:
    assert read_rules(results, "small") is None
    path = results / "reference" / "claims.yaml"
    path.write_text(json.dumps(rules(claim({"metric": "wahba_eror"}), **TEXTS)))
    with pytest.raises(CareBenchError, match=r"claims\.yaml: claim C5: unknown metric of wahba-v1 'wahba_eror'"):
        write_report(results, collection="small")
