"""Rules for claims: what they accept, and the one-line error of each mistake."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from care_bench.config import read_profile
from care_bench.config.claims import parse_claims, read_claims
from care_bench.errors import CareBenchError
from tests.config.editing import edited
from tests.evidence.made import claim, rules

ROOT = Path(__file__).parents[2]
RULES = ROOT / "results/reference/claims.yaml"
OWN = {"against": [], "beyond": 0.1}
SHARE = {"of": "share_of_draws", "beyond": 0.9}


def test_the_rules_are_read_with_the_hash_of_their_file() -> None:
    found, digest = read_claims(RULES)
    assert digest == hashlib.sha256(RULES.read_bytes()).hexdigest()
    numbered = {int(one.id.partition("-")[0].removeprefix("C")) for one in found.claims}
    assert numbered == set(range(1, 13)), "a claim of the paper has no entry"


def test_the_profile_has_every_row_seed_and_snapshot_of_the_rules() -> None:
    found, _ = read_claims(RULES)
    profile = read_profile(ROOT / "workflows/config/cpu.yaml")
    assert found.profile == profile.profile
    assert list(found.seeds) == profile.seeds
    runs = {(run.dataset, run.variant): run for run in profile.runs()}
    for one in found.claims:
        for part in one.comparisons:
            for row in (*part.rows, *part.against, *(part.matched or ())):
                for dataset in part.datasets:
                    epochs = runs[dataset, row].training.snapshot_epochs
                    assert set(part.epochs) - {None} <= set(epochs), f"{one.id}: {dataset}/{row}"
        if one.sweep:
            for row, weight in one.sweep.rows.items():
                methods = [runs[dataset, row].method for dataset in one.sweep.datasets]
                assert all(getattr(method, "weight", 0) == weight for method in methods)
            low, high = one.sweep.inside
            assert min(one.sweep.rows.values()) < low <= high < max(one.sweep.rows.values())


def test_defaults_divide_at_no_effect() -> None:
    ratio, difference = (
        parse_claims(rules(claim({"scale": "log_ratio"}, {"smallest_effect": -0.5})), "here").claims[0].comparisons
    )
    assert (ratio.divide, ratio.worth) == (1, 1)
    assert (difference.divide, difference.worth) == (0, -0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"matched": ["a", "b"]}, "both 'against' and 'matched' are set; expected one of the two"),
        ({"against": []}, "no opponent is set; expected 'against' or 'matched', or 'beyond' for a value on its own"),
        ({**OWN, "scale": "log_ratio"}, "no opponent is set"),
        ({"of": "share_of_draws"}, "a share of draws needs 'against', 'beyond', a direction"),
        ({**SHARE, "beyond": 2.0}, "beyond = 2 is no share; expected a number between 0 and 1"),
        ({"direction": "equivalent"}, "expected 'margin' exactly where direction = 'equivalent'"),
        ({"margin": 0.1}, "expected 'margin' exactly where direction = 'equivalent'"),
        ({"direction": "equivalent", "margin": 0.1, "beyond": 0.0}, "an equivalence has a 'margin'"),
        ({"direction": "equivalent", "margin": 0.9, "scale": "log_ratio"}, "margin = 0.9 is no ratio"),
        ({"scale": "log_ratio", "beyond": 0.0}, "of a ratio have to be above 0"),
        ({"smallest_effect": 0.5}, "smallest_effect = 0.5 is on the other side of beyond = 0"),
        ({"rows": []}, "rows"),
        ({"directon": "lower"}, "unknown key 'claims.0.comparisons.0.directon': did you mean 'direction'?"),
    ],
)
def test_comparisons_that_no_rule_can_decide(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CareBenchError) as error:
        parse_claims(rules(claim(changes)), "here")
    assert str(error.value).startswith("here: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"comparisons": []}, "claim C5: expected either 'comparisons' or 'not_decided'"),
        ({"not_decided": "not measured"}, "claim C5: expected either 'comparisons' or 'not_decided'"),
        ({"least_seeds": 4}, "least_seeds = 4: Input should be greater than or equal to 5"),
        ({"id": "C 5"}, "id = 'C 5'"),
        (
            {"guards": {"movement": {"protocol": "relative-equivariance-v1", "metric": "invariance"}}},
            "claim C5: expected 'guards.movement' exactly where a comparison has 'matched'",
        ),
    ],
)
def test_claims_that_no_rule_can_decide(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CareBenchError, match=message.replace("(", r"\(")):
        parse_claims(rules(claim(**changes)), "here")


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ([2, 1], "claims.0.sweep.inside: inside = [2.0, 1.0]; expected the lower end first"),
        ([1, 10], "inside = [1.0, 10.0] does not divide the rows; expected some in it, and some not"),
        ([4, 5], "inside = [4.0, 5.0] does not divide the rows"),
    ],
)
def test_sweeps_that_no_rule_can_decide(inside: list[float], message: str) -> None:
    sweep = {"rows": {"a": 1, "b": 10}, "inside": inside, "direction": "lower", "datasets": ["digits"]}
    with pytest.raises(CareBenchError) as error:
        parse_claims(rules(claim(sweep={**sweep, "protocols": ["wahba-v1"], "metric": "wahba_error"})), "here")
    assert message in str(error.value)


def test_a_guard_against_collapse_needs_an_opponent() -> None:
    guards = {"collapse": {"protocol": "alignment-uniformity-v1", "metric": "uniformity", "most": 0.05}}
    with pytest.raises(CareBenchError, match=r"'guards\.collapse' has no opponent to compare with"):
        parse_claims(rules(claim(OWN, guards=guards)), "here")


def test_claims_and_seeds_are_distinct() -> None:
    with pytest.raises(CareBenchError, match="claim C5 is there twice"):
        parse_claims(rules(claim(), claim()), "here")
    with pytest.raises(CareBenchError, match="a seed is repeated"):
        parse_claims(edited(rules(claim()), "seeds", [1, 2, 3, 4, 4]), "here")


def test_a_file_that_holds_no_rules(tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    with pytest.raises(CareBenchError, match="expected rules for claims as YAML"):
        read_claims(path)
    path.write_text("- C1\n")
    with pytest.raises(CareBenchError, match=r"claims\.yaml: expected the keys of rules for claims, found list"):
        read_claims(path)
