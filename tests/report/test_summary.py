"""What the terminal shows: at most 25 lines of at most 100 characters."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from care_bench.artifacts import Record
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.collection import Collection
from care_bench.config.claims import parse_claims
from care_bench.report.build import write_report
from care_bench.report.document import build_section
from care_bench.report.grid import Grid
from care_bench.report.model import Document
from care_bench.report.overview import methods_table
from care_bench.report.summary import LINES, WIDTH, summary_lines
from tests.evidence.made import claim, rules
from tests.report.laid_out import NO_PAPER, small
from tests.sample_records import make_record, write_runs

PerSeed = Callable[..., list[Record]]
PAGE = [Path("out/index.html"), Path("out/report.md")]
RULES = {"profile": "small", "seeds": [0, 1, 2, 3, 4]}


def lines_of(*collections: Collection, **options: object) -> list[str]:
    sections = tuple(build_section(found, NO_PAPER, **options) for found in collections)  # type: ignore[arg-type]
    found = summary_lines(Document("Title", sections), PAGE)
    assert len(found) <= LINES == 25
    assert max(map(len, found)) <= WIDTH == 100
    return found


def test_one_row_per_method_with_three_metrics(per_seed: PerSeed) -> None:
    records = [
        *per_seed([80.0, 81.0, 82.0], variant="simclr", representation="features"),
        *per_seed([10.0, 10.0, 10.0], variant="simclr", representation="projection"),
        *per_seed([70.0, 70.0, 70.0], variant="simclr", representation="features", protocol="knn-v1"),
        *per_seed([0.9, 0.9, 0.9], variant="simclr", metric="wahba_error"),
        *per_seed([0.5, 0.6, 0.7], variant="simclr", metric="held_out_wahba"),
        *per_seed([0.25, 0.25, 0.25], variant="simclr", metric="gamma_median"),
        *per_seed([90.0, 92.0], variant="care", representation="features"),
    ]
    found = lines_of(small(records))
    assert found[0] == "Collection collected/small: 5 runs, 3 pretraining seeds (0 to 2), 20 records; digits"
    assert found[1].startswith("features: top-1 (cached-v1); projection: map in O(d), held out (held-out-wahba-v1)")
    # By hand: t(0.975; 2) = 4.3027 times 1 over sqrt(3) is 2.48, times 0.1 it is 0.2484; t(0.975; 1) = 12.7062.
    assert [line.split("  ")[0] for line in found[4:7]] == [
        "digits (convnet)",
        "SimCLR",
        "CARE (SimCLR), paper fidelity",
    ]
    assert found[3] == "Mean ± half-width of the 95 % interval over seeds."
    assert found[5].split()[1:] == ["81.00", "±", "2.48", "0.6000", "±", "0.2484", "0.2500", "±", "0.0000"]
    assert found[6].split()[4:] == ["91.00", "±", "12.71", "(n=2)", "-", "-"]
    assert found[7:] == ["page: out/index.html (beside it: report.md)"]


def test_a_representation_that_more_rows_have_comes_first(record: Callable[..., Record]) -> None:
    metric = {"metric": "held_out_wahba", "unit": "1"}
    records = [
        *(record(variant="care", representation=name, value=0.5, **metric) for name in ("projection", "features")),
        record(variant="mine", method="imported", representation="features", value=0.25, **metric),
    ]
    found = methods_table(Grid(small(records)))
    assert found is not None
    assert found.caption[0].startswith("features: map in O(d), held out (held-out-wahba-v1); ")
    assert [row[0].text for row in found.cells] == ["0.5000", "0.2500"]
    assert found.cells[1][1].notes == ("no record of its projection",)


def test_one_seed_has_no_interval_and_few_samples_are_said_first() -> None:
    found = lines_of(small([make_record(metric="held_out_wahba", value=0.5, samples=64)]))
    assert "Measured on at most 64 samples of each split: a check, no result." in found
    assert not any("half-width" in line for line in found)


def test_rows_that_differ_at_the_end_of_a_long_label_are_told_apart() -> None:
    names = ("care-with-a-rather-long-name-and-weight-0.03", "care-with-a-rather-long-name-and-weight-0.3")
    records = [
        make_record(
            method="care", base="barlow_twins", fidelity="released-code", variant=name, metric=metric, value=0.5
        )
        for name in names
        for metric in ("held_out_wahba", "gamma_median", "top1")
    ]
    found = lines_of(small(records))
    assert [line.split("  ")[0] for line in found if line.startswith("care-")] == list(names)


def test_many_rows_and_collections_are_counted(per_seed: PerSeed) -> None:
    rows = [record for number in range(40) for record in per_seed([0.5], variant=f"row-{number}")]
    others = [Collection(f"other-{number}", small(per_seed([1.0])).records) for number in range(7)]
    found = lines_of(small(rows), *others)
    assert len(found) == LINES
    assert "and 3 collections more" in found
    assert "Collection collected/other-3: 1 run, 1 records" in found
    (more,) = (line for line in found if line.endswith("rows more, on the page"))
    shown = sum(line.startswith("row-") for line in found)
    assert more == f"and {40 - shown} rows more, on the page"
    assert shown > 5


def test_rows_of_other_data_sets_are_counted(per_seed: PerSeed) -> None:
    rows = [*per_seed([0.5], variant="simclr"), *per_seed([0.5], variant="care")]
    more = [one.model_copy(update={"dataset": name}) for name in ("proteins", "tinted_digits") for one in rows]
    assert lines_of(small([*rows, *more]))[-2:] == [
        "and 4 rows of 2 other data sets on the page",
        "page: out/index.html (beside it: report.md)",
    ]
    assert "and 1 row of 1 other data set on the page" in lines_of(small([*rows, more[0]]))
    assert not any("other data set" in line for line in lines_of(small(rows)))
    many = [record for number in range(40) for record in per_seed([0.5], variant=f"row-{number}")]
    found = lines_of(small([*many, *more]))
    assert len(found) == LINES
    assert "and 4 rows of 2 other data sets on the page" in found


def test_verdicts_come_first_with_the_effects_of_those_that_are_decided(per_seed: PerSeed) -> None:
    records = [
        *per_seed([1.0] * 5, variant="simclr", metric="wahba_error"),
        *per_seed([0.5, 0.51, 0.49, 0.52, 0.48], variant="care", metric="wahba_error"),
    ]
    worse = claim({"direction": "higher"}, id="C7")
    unknown = claim({"datasets": ["proteins"]}, id="C8")
    found = lines_of(
        small(records),
        rules=(parse_claims(rules(claim(), worse, unknown, **RULES), "here"), "d" * 64, "reference/claims.yaml"),
    )
    # Mean difference -0.5; deviation 0.0158, over sqrt(5) and times 2.776 it is 0.0196.
    effect = "(difference -0.5000 [-0.5196, -0.4804])"
    assert found[1:5] == [
        "verdicts on 3 claims: 1 supported, 1 contradicted, 1 not run",
        f"supported: C5 {effect}",
        f"contradicted: C7 {effect}",
        "not run: C8",
    ]


def test_claims_about_another_representation_than_what_is_shown_are_counted(per_seed: PerSeed) -> None:
    records = [
        *per_seed([1.0] * 5, variant="simclr", metric="wahba_error"),
        *per_seed([0.5] * 5, variant="care", metric="wahba_error"),
        *per_seed([80.0] * 5, variant="simclr", representation="features"),
        *per_seed([90.0] * 5, variant="care", representation="features"),
    ]
    probe = {"protocols": ["cached-v1"], "metric": "top1", "direction": "higher", "representations": ["features"]}
    both = parse_claims(rules(claim(), claim(probe, id="C1"), **RULES), "here")
    found = lines_of(small(records), rules=(both, "d" * 64, "reference/claims.yaml"))
    assert "Below: the features; of 1 of 2 claims the effect shown is of the projection." in found
    lone = parse_claims(rules(claim(probe, id="C1"), **RULES), "here")
    said = lines_of(small(records), rules=(lone, "d" * 64, "reference/claims.yaml"))
    assert not any(line.startswith("Below") for line in said)


def test_of_many_claims_none_is_cut(per_seed: PerSeed) -> None:
    records = [
        *per_seed([1.0] * 5, variant="simclr", metric="wahba_error"),
        *per_seed([0.5, 0.51, 0.49, 0.52, 0.48], variant="care", metric="wahba_error"),
    ]
    claims = [claim(id=f"C{place}-with-a-long-name") for place in range(8)]
    parsed = parse_claims(rules(*claims, **RULES), "here")
    found = lines_of(small(records), rules=(parsed, "d" * 64, "reference/claims.yaml"))
    assert found[1] == "verdicts on 8 claims: 8 supported"
    assert " ".join(found[2:4]).split() == [
        "supported:",
        *(f"C{place}-with-a-long-name{',' * (place < 7)}" for place in range(8)),
    ]


def test_a_collection_without_a_number_is_one_line(per_seed: PerSeed) -> None:
    failed = {"value": None, "n": 0, "reason": "diverged"}
    records = [record.model_copy(update=failed) for record in per_seed([1.0, 1.0])]
    assert lines_of(small(records))[1:] == ["page: out/index.html (beside it: report.md)"]


def test_a_long_path_is_whole(tmp_path: Path, written: Path) -> None:
    out = tmp_path / ("long-" * 30)
    shown = io.StringIO()
    write_report(written, out, ["html"], console=Console(file=shown, width=80))
    assert f"page: {out / 'index.html'}" in shown.getvalue()


@pytest.mark.parametrize("name", ["small", None])
def test_the_command_prints_it(results: Path, name: str | None, per_seed: PerSeed) -> None:
    collect(write_runs(results / "runs" / "more", per_seed([0.5] * 5)), results / "collected" / "small")
    (results / "reference" / "claims.yaml").write_text(json.dumps(rules(claim(), **RULES)))
    shown = io.StringIO()
    write_report(results, collection=name, console=Console(file=shown, width=100))
    lines = shown.getvalue().splitlines()
    assert lines[0].startswith("Collection collected/small: 5 runs, 5 pretraining seeds (0 to 4)")
    assert lines[1].startswith("No claim is decided: ")
    assert any(line.startswith("Collection pinned/old: 1 run,") for line in lines) == (name is None)


def test_rules_that_were_changed_after_the_run_are_named(per_seed: PerSeed) -> None:
    records = [
        *per_seed([1.0] * 5, variant="simclr", metric="wahba_error"),
        *per_seed([0.5, 0.51, 0.49, 0.52, 0.48], variant="care", metric="wahba_error"),
    ]
    before, now = (json.dumps(rules(claim({"smallest_effect": size}), **RULES)) for size in (-0.1, 0.0))
    kept = Collection("small", tuple(records), rules=before.encode())
    found = lines_of(kept, rules=(parse_claims(json.loads(now), "here"), "d" * 64, "reference/claims.yaml"))
    assert found[1] == "Rules changed after the run: C5."
    late = replace(kept, rules=b"# Kept after 3 runs had been trained or measured.\n" + before.encode())
    found = lines_of(late, rules=(parse_claims(json.loads(now), "here"), "d" * 64, "reference/claims.yaml"))
    assert found[1] == "They were kept after 3 runs had been trained or measured: no verdict is preregistered."
    assert "Rules changed since then: C5." in found
