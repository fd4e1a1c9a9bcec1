"""Verdicts: what the rules say of planted effects, of missing values, and of data without effect."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from care_bench.config.claims import parse_claims
from care_bench.errors import CareBenchError
from care_bench.evidence.ledger import Verdict, decide
from tests.evidence.made import SEEDS, claim, listed, rules, values_of

ROOT = Path(__file__).parents[2]
NOISE = np.array([0.02, -0.01, 0.03, 0.0, -0.03, 0.01, -0.02, 0.005])
LOWER, HIGHER, UNCLEAR = 0.5 + NOISE, 1.5 + NOISE, 1 + 10 * NOISE
COLLAPSE = {"collapse": {"protocol": "alignment-uniformity-v1", "metric": "uniformity", "most": 0.05}}


def decided(records: list[Any], *claims: dict[str, Any], **changes: Any) -> list[Verdict]:
    return decide(records, parse_claims(rules(*claims, **changes), "here"), "f" * 64)


def wahba(values: Any, dataset: str = "digits", row: str = "care") -> list[Any]:
    return values_of(row, "wahba_error", list(values), dataset=dataset)


BASE = [*wahba(np.ones(8), row="simclr"), *wahba(np.ones(8), "tinted_digits", "simclr")]
TWO = {"datasets": ["digits", "tinted_digits"]}


@pytest.mark.parametrize(
    ("first", "second", "quantifier", "expected"),
    [
        (LOWER, LOWER, "all", "supported"),
        (LOWER, UNCLEAR, "all", "inconclusive"),
        (LOWER, HIGHER, "all", "contradicted"),
        (UNCLEAR, HIGHER, "all", "contradicted"),
        (UNCLEAR, UNCLEAR, "all", "inconclusive"),
        (LOWER, HIGHER, "any", "supported"),
        (UNCLEAR, HIGHER, "any", "inconclusive"),
        (HIGHER, HIGHER, "any", "contradicted"),
    ],
)
def test_quantifiers(first: Any, second: Any, quantifier: str, expected: str) -> None:
    records = [*BASE, *wahba(first), *wahba(second, "tinted_digits")]
    (found,) = decided(records, claim(TWO, quantifier=quantifier))
    assert found.verdict == expected, found.reason
    sides = {id(LOWER): "for", id(HIGHER): "against", id(UNCLEAR): "undecided"}
    assert found.stands == (sides[id(first)], sides[id(second)])
    assert found.seeds == SEEDS
    assert found.rules_sha256 == "f" * 64
    assert set(found.records) == {record.id for record in records}


def test_a_finding_has_the_numbers_of_scipy() -> None:
    own, other = np.exp(NOISE) * 0.5, np.linspace(0.9, 1.1, 8)
    records = [*wahba(own), *wahba(other, row="simclr")]
    (found,) = decided(records, claim({"scale": "log_ratio", "beyond": 0.6}))
    (one,) = found.findings
    effects = np.log(own / other)
    ends = stats.t.interval(0.95, 7, effects.mean(), stats.sem(effects))
    assert (one.effect, one.low, one.high) == pytest.approx((math.exp(effects.mean()), *np.exp(ends)))
    assert one.p == pytest.approx(stats.ttest_1samp(effects, math.log(0.6)).pvalue)
    assert one.p_exact == 2 / 256, "all eight ratios are below 0.6"
    assert one.kind == "ratio"
    assert one.low < one.bca_low < one.effect < one.bca_high < one.high
    assert (one.side, found.verdict) == ("for", "supported")


def test_the_smallest_effect_worth_having() -> None:
    records = [*BASE, *wahba(0.9 + NOISE)]
    assert decided(records, claim({"smallest_effect": -0.05}))[0].verdict == "supported"
    (found,) = decided(records, claim({"smallest_effect": -0.2}))
    assert found.verdict == "inconclusive"
    assert "its mean does not reach -0.2, the smallest effect worth having" in found.reason


def test_the_exact_test_has_to_agree() -> None:
    """The interval alone is on the claim's side here.

    Mean -0.6, squares 5.62 - 8 x 0.36 = 2.74, standard error sqrt(2.74 / 7 / 8) = 0.2212, times 2.3646. The sum is
    -4.8 of at most 5.6 in size. At least as far from 0 are those with at most 0.4 of the other sign: none, 0.1, 0.2,
    0.3, 0.4, 0.1 and 0.2, 0.1 and 0.3; and their mirror images, 14 of 256.
    """
    effects = np.array([-1.2, -0.2, 0.4, -0.1, -1.2, -1.0, -0.3, -1.2])
    (found,) = decided([*BASE, *wahba(1 + effects)], claim())
    (one,) = found.findings
    assert (one.low, one.high) == pytest.approx((-1.1231, -0.0769), abs=0.0001)
    assert one.p_exact == 14 / 256
    assert (one.side, found.verdict) == ("neither", "inconclusive")
    assert "the exact test does not agree with the interval (p = 0.055)" in found.reason


def test_fewer_seeds_than_the_least_are_not_run() -> None:
    records = [*BASE, *wahba(LOWER[:4])]
    (found,) = decided(records, claim())
    assert found.verdict == "not run"
    assert found.reason == (
        "wahba_error of care on digits (wahba-v1): 4 pairs of seeds; at least 5 are needed (1 of 1 comparisons)"
    )
    assert (found.p, found.p_holm) == (None, None)
    assert decided([*BASE, *wahba(LOWER[:5])], claim())[0].verdict == "supported"
    assert decided([*BASE, *wahba(LOWER[:5])], claim(least_seeds=6))[0].verdict == "not run"


def test_a_claim_that_nothing_decides_says_why() -> None:
    (found,) = decided(BASE, claim(comparisons=[], not_decided="Nothing measures it."))
    assert (found.verdict, found.reason, found.findings) == ("not run", "Nothing measures it.", ())


def test_a_collapsed_row_gets_no_verdict() -> None:
    spread = [*values_of("simclr", "uniformity", [0.1] * 8), *values_of("care", "uniformity", [0.3] * 8)]
    (found,) = decided([*BASE, *wahba(LOWER), *spread], claim(guards=COLLAPSE))
    assert found.verdict == "inconclusive"
    assert "more than the 0.05 that the guard against collapse allows" in found.reason
    (one,) = found.findings
    assert one.effect == pytest.approx(NOISE.mean() - 0.5), "shown all the same"
    assert (one.side, one.p, found.stands) == ("neither", None, ("blocked",))


def test_protocols_have_to_agree() -> None:
    probes = {"protocols": ["paper-small-v1", "cached-v1"], "metric": "top1", "direction": "higher"}

    def accuracies(paper: float, cached: float) -> list[Any]:
        values = {("care", "paper-small-v1"): paper, ("care", "cached-v1"): cached}
        values |= {("simclr", protocol): 90.0 for protocol in probes["protocols"]}
        return listed(
            values_of(row, "top1", value + NOISE * (row == "care"), protocol=name)
            for (row, name), value in values.items()
        )

    assert decided(accuracies(92, 93), claim(probes))[0].verdict == "supported"
    assert decided(accuracies(88, 87), claim(probes))[0].verdict == "contradicted"
    (found,) = decided(accuracies(92, 88), claim(probes))
    assert found.verdict == "inconclusive"
    assert found.reason == "the protocols disagree"


@pytest.mark.parametrize(
    ("shift", "expected"), [(0.0, "supported"), (0.3, "contradicted"), (-0.3, "contradicted"), (0.1, "inconclusive")]
)
def test_equivalence(shift: float, expected: str) -> None:
    equal = {"direction": "equivalent", "scale": "log_ratio", "margin": 1.1}
    assert decided([*BASE, *wahba(np.exp(NOISE + shift))], claim(equal))[0].verdict == expected


def test_a_value_on_its_own() -> None:
    own = {"against": [], "beyond": 0.4, "direction": "higher"}
    (found,) = decided(wahba(LOWER), claim(own))
    assert (found.verdict, found.findings[0].kind) == ("supported", "value")
    assert decided(wahba(LOWER), claim({**own, "beyond": 0.6}))[0].verdict == "contradicted"


def test_the_best_of_a_sweep() -> None:
    sweep = {
        "rows": {"none": 0, "care": 1, "more": 10},
        "inside": [0.5, 2],
        "direction": "lower",
        "datasets": ["digits"],
        "protocols": ["wahba-v1"],
        "metric": "wahba_error",
    }
    records = [*BASE, *wahba(LOWER), *wahba(HIGHER, row="none")]
    assert decided([*records, *wahba(HIGHER, row="more")], claim(sweep=sweep))[0].verdict == "supported"
    assert decided([*records, *wahba(LOWER - 0.2, row="more")], claim(sweep=sweep))[0].verdict == "contradicted"
    # Better by 0.1 for half of the seeds, worse for the others: the mean of a bootstrap sample decides by chance.
    (found,) = decided([*records, *wahba(LOWER + 0.1 * np.array([1, -1] * 4), row="more")], claim(sweep=sweep))
    assert found.verdict == "inconclusive"
    assert found.findings[1].effect == pytest.approx(0.5, abs=0.1)
    assert decided(records, claim(sweep=sweep))[0].verdict == "not run"


def test_a_sweep_that_chance_decides_is_not_decided() -> None:
    """All bootstrap samples agree where one row is better for every seed, which happens to one in sixteen by chance."""
    sweep = {"rows": {"none": 0, "care": 1}, "inside": [0.5, 2], "direction": "lower", "datasets": ["digits"]}
    sweep |= {"protocols": ["wahba-v1"], "metric": "wahba_error"}
    little = np.array([0.001, 0.001, 0.001, 0.001, 0.1])
    records = [*wahba(HIGHER[:5] + little, row="none"), *wahba(HIGHER[:5]), *wahba(HIGHER[:5] + 1, row="simclr")]
    (found,) = decided(records, claim(sweep=sweep))
    swept = found.findings[-1]
    assert swept.effect == 1
    assert swept.p == pytest.approx(stats.ttest_1samp(little, 0).pvalue, rel=1e-9)
    assert found.verdict == "inconclusive"


def test_the_claims_of_a_family_share_its_level() -> None:
    """p = 0.03 alone supports a claim; as one of two it does not (Holm)."""
    effects = stats.norm.ppf((np.arange(8) + 0.5) / 8)
    mean = -float(stats.t.isf(0.03 / 2, 7)) * effects.std(ddof=1) / math.sqrt(8)
    records = [*BASE, *wahba(1 + 0.01 * (effects - effects.mean() + mean)), *wahba(UNCLEAR, "tinted_digits")]
    alone, other = claim(id="A"), claim({"datasets": ["tinted_digits"]}, id="B")
    (found,) = decided(records, alone)
    assert (found.p, found.p_holm) == pytest.approx((0.03, 0.03))
    assert found.verdict == "supported"
    assert decided(records, alone, other)[0].verdict == "supported", "a claim is a family of its own"
    first, _ = decided(records, {**alone, "family": "one"}, {**other, "family": "one"})
    assert (first.p, first.p_holm) == pytest.approx((0.03, 0.06))
    assert first.verdict == "inconclusive"
    assert first.reason == (
        "of 1 comparison, 1 are for the claim and 0 against it, but p = 0.03 for the claim as a whole, 0.06 among the "
        "2 claims of family one: more than 0.05"
    )


@pytest.mark.parametrize(("quantifier", "place"), [("all", 1), ("any", 0)])
def test_the_effect_shown_is_that_of_the_comparison_behind_the_p_value(quantifier: str, place: int) -> None:
    """On digits p = 0.04 for the claim, on tinted digits 0.03 against it; the other is another number each time."""
    effects = stats.norm.ppf((np.arange(8) + 0.5) / 8)
    values = []
    for p, side in ((0.04, -1), (0.03, 1)):
        mean = side * float(stats.t.isf(p / 2, 7)) * effects.std(ddof=1) / math.sqrt(8)
        values.append(1 + 0.01 * (effects - effects.mean() + mean))
    records = [*BASE, *wahba(values[0]), *wahba(values[1], "tinted_digits")]
    (found,) = decided(records, claim(TWO, quantifier=quantifier))
    assert found.shown == place
    assert found.p == pytest.approx((0.06, 0.08)[place == 0])
    assert (found.verdict, found.reason) == (
        "inconclusive",
        f"of 2 comparisons, 1 are for the claim and 1 against it, but p = {found.p:.2g} for the claim as a whole: "
        "more than 0.05",
    )


def test_of_comparisons_that_all_have_to_hold_the_least_clear_is_shown() -> None:
    records = [*BASE, *wahba(LOWER), *wahba(1 + NOISE - 0.05, "tinted_digits")]
    (found,) = decided(records, claim(TWO))
    assert found.verdict == "supported"
    assert found.shown == 1
    assert found.p == found.findings[1].p


def test_the_effect_shown_is_of_protocols_that_agree() -> None:
    """On digits the protocols disagree, the first with the smallest p of all; tinted digits contradict the claim."""
    rule = claim({**TWO, "protocols": ["wahba-v1", "wahba-v2"]})
    planted = {("digits", "wahba-v1"): 10.0, ("digits", "wahba-v2"): -0.5}
    planted |= {("tinted_digits", "wahba-v1"): 0.1, ("tinted_digits", "wahba-v2"): 0.11}
    records = [
        *(one for place in planted for one in of_protocol("simclr", place, np.ones(8))),
        *(one for place, effect in planted.items() for one in of_protocol("care", place, 1 + effect + NOISE)),
    ]
    (found,) = decided(records, rule)
    assert found.verdict == "contradicted"
    assert found.shown is not None
    shown = found.findings[found.shown]
    assert (shown.dataset, shown.protocol) == ("tinted_digits", "wahba-v1"), "the less clear one of the two that agree"
    assert found.p == pytest.approx(2 * stats.ttest_1samp(0.1 + NOISE, 0).pvalue), "one of two comparisons"
    assert min(one.p for one in found.findings if one.p is not None) < shown.p


def test_a_comparison_on_neither_side_lends_no_p_value() -> None:
    """On digits p = 0.03 and the exact test objects (p = 14/256); on tinted digits p = 0.04 against the claim."""
    objected = -np.array([-1.2, -0.2, 0.4, -0.1, -1.2, -1.0, -0.3, -1.2])
    effects = stats.norm.ppf((np.arange(8) + 0.5) / 8)
    mean = float(stats.t.isf(0.04 / 2, 7)) * effects.std(ddof=1) / math.sqrt(8)
    records = [*BASE, *wahba(1 + objected), *wahba(1 + effects - effects.mean() + mean, "tinted_digits")]
    (found,) = decided(records, claim(TWO))
    assert stats.ttest_1samp(objected, 0).pvalue < 0.04
    assert [one.side for one in found.findings] == ["neither", "against"]
    assert found.p == pytest.approx(0.08), "twice 0.04"
    assert found.shown == 1


def test_records_of_other_seeds_say_nothing() -> None:
    others = [*values_of("simclr", "wahba_error", [1.0] * 8), *values_of("care", "wahba_error", [9.0] * 8)]
    elsewhere = [SimpleNamespace(**{**vars(one), "seed": one.seed + 100}) for one in others]
    (found,) = decided([*BASE, *wahba(LOWER), *elsewhere], claim())
    assert (found.verdict, found.seeds) == ("supported", SEEDS)


def of_protocol(row: str, place: tuple[str, str], values: Any) -> list[Any]:
    dataset, protocol = place
    return values_of(row, "wahba_error", list(values), dataset=dataset, protocol=protocol)


def test_seeds_without_a_value_are_named() -> None:
    """A method whose runs collapsed for some seeds must not be judged by the others alone without a word."""
    collapsed = [SimpleNamespace(**{**vars(one), "value": None, "reason": "collapsed"}) for one in wahba(LOWER)[:2]]
    records = [*BASE[:7], *collapsed, *wahba(LOWER)[2:]]
    (found,) = decided(records, claim())
    assert found.verdict == "supported"
    assert found.seeds == SEEDS[2:7]
    assert found.reason == (
        "of 1 comparison, 1 are for the claim and 0 against it; on digits (wahba-v1) without wahba_error of care, seed "
        "10, 11 (collapsed), wahba_error of simclr, seed 17 (no record)"
    )
    (whole,) = decided([*BASE[:8], *wahba(LOWER)], claim())
    assert "without" not in whole.reason
    (two,) = decided([*records, *BASE[8:], *wahba(LOWER, "tinted_digits")], claim(TWO))
    assert two.seeds == SEEDS[2:7], "those of the comparison with the fewest"


def test_records_of_another_profile() -> None:
    with pytest.raises(CareBenchError, match="records of profile 'tried': the rules for claims are of profile 'cpu'"):
        decided(BASE, claim(), profile="cpu")
