"""The copy of rules for claims says how many runs were there before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from care_bench.config.claims import claims_in
from care_bench.errors import CareBenchError
from care_bench.runs.kept_rules import keep_rules, kept_after
from tests.evidence.made import claim, rules

RULES = json.dumps(rules(claim()))


@pytest.fixture
def given(tmp_path: Path) -> Path:
    (tmp_path / "claims.yaml").write_text(RULES)
    return tmp_path / "claims.yaml"


def kept(given: Path) -> bytes:
    out = given.parent / "kept" / "claims.yaml"
    keep_rules(given, given.parent / "runs", out)
    return out.read_bytes()


def result(given: Path, name: str) -> None:
    path = given.parent / "runs/digits" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")


def test_before_any_run_it_is_the_file(given: Path) -> None:
    result(given, "care/seed0/state-0123/checkpoint.pt")
    assert kept(given) == RULES.encode()
    assert kept_after(kept(given)) == 0


def test_runs_that_were_trained_measured_or_set_aside_are_counted_once(given: Path) -> None:
    for name in (
        *("care/seed0/pretrain.json", "care/seed0/records.jsonl", "care/seed0/config-0123/pretrain.json"),
        *("care/seed1/config-0123-data-4567/pretrain.json", "resnet18@layer4/seed0/records.jsonl"),
    ):
        result(given, name)
    assert kept_after(kept(given)) == 3
    assert claims_in(kept(given), "kept")[0] == claims_in(RULES.encode(), "given")[0]


def test_a_copy_that_is_there_stays(given: Path) -> None:
    before = kept(given)
    result(given, "care/seed0/pretrain.json")
    given.write_text("others")
    assert kept(given) == before


def test_what_an_earlier_copy_says_of_runs_is_no_part_of_rules(given: Path) -> None:
    given.write_text(f"\ufeff# Kept after 7 runs had been trained or measured.\n{RULES}")
    result(given, "care/seed0/pretrain.json")
    assert kept(given).decode() == f"# Kept after 1 run had been trained or measured.\n{RULES}"


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match=r"claims\.yaml"):
        keep_rules(tmp_path / "claims.yaml", tmp_path / "runs", tmp_path / "kept.yaml")
    assert not (tmp_path / "kept.yaml").exists()
