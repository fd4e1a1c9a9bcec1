"""Intervals over test samples beside those over seeds, against numpy and scipy; they never change a verdict."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from care_bench.config.claims import parse_claims
from care_bench.evidence.ledger import Verdict, decide
from care_bench.evidence.sampling import Parts, Sampling, keeps_sides, sampling_of
from tests.evidence.made import PROTOCOLS, SEEDS, claim, listed, rules, values_of

HALVES = 25
NOISE = np.array([0.02, -0.01, 0.03, 0.0, -0.03, 0.01, -0.02, 0.005])
DRAWS = np.random.default_rng(11)
MOVES = {"guards": {"movement": {"protocol": "relative-equivariance-v1", "metric": "invariance"}}}


def on_halves(row: str, metrics: dict[str, Any], kept: int = 5, units: int = 10, **changes: Any) -> list[Any]:
    """Return what a row measured on halves: metric -> (seeds, halves), or with draws (seeds, halves, draws)."""
    lines = []
    for place, seed in enumerate(SEEDS):
        found = []
        for metric, numbers in metrics.items():
            own = np.asarray(numbers[place])
            of_halves = own if own.ndim == 1 else own.mean(axis=1)
            where = (None, PROTOCOLS[metric], "projection", metric)
            draws = () if own.ndim == 1 else tuple(map(tuple, own.tolist()))
            found.append(SimpleNamespace(place=where, values=tuple(of_halves.tolist()), draws=draws))
        about = {"dataset": "digits", "variant": row, "seed": seed, "kept": kept, "units": units}
        lines.append(SimpleNamespace(**{**about, "found": tuple(found), **changes}))
    return lines


def weighed(records: list[Any], lines: list[Any], one: dict[str, Any]) -> tuple[Verdict, tuple[Any, ...], bool | None]:
    parsed = parse_claims(rules(one), "here")
    (verdict,) = decide(records, parsed, "f" * 64)
    found = sampling_of(verdict, parsed.claims[0], Parts(lines))
    return verdict, found, keeps_sides(verdict, parsed.claims[0], found)


def around(centre: Any, size: float) -> np.ndarray:
    """Return values of every seed on every half, about its own."""
    return np.asarray(centre)[:, None] * np.exp(size * DRAWS.normal(size=(len(SEEDS), HALVES)))


CARE, SIMCLR = np.exp(NOISE) * 0.9, np.ones(8)
RECORDS = [*values_of("care", "wahba_error", list(CARE)), *values_of("simclr", "wahba_error", list(SIMCLR))]


def test_the_numbers_are_those_of_numpy_and_scipy() -> None:
    care, simclr = around(CARE, 0.01), around(SIMCLR, 0.01)
    shared = np.exp(0.02 * DRAWS.normal(size=HALVES))  # what seeds share, since their test samples are the same
    lines = [
        *on_halves("care", {"wahba_error": care * shared}, kept=9, units=19),
        *on_halves("simclr", {"wahba_error": simclr}, kept=9, units=19),
    ]
    verdict, (found,), stands = weighed(RECORDS, lines, claim({"scale": "log_ratio"}))
    effects = np.log(care * shared / simclr).mean(axis=0)
    error = math.sqrt(9 / 10) * effects.std(ddof=1)
    assert found.error == pytest.approx(error)
    middle, seeds = np.log(CARE).mean(), stats.sem(np.log(CARE)) * stats.t.ppf(0.975, 7)
    samples = error * stats.t.ppf(0.975, 24)
    assert tuple(found.samples) == pytest.approx((math.exp(middle - samples), math.exp(middle + samples)))
    both = math.hypot(seeds, samples)
    assert tuple(found.both) == pytest.approx((math.exp(middle - both), math.exp(middle + both)))
    assert (verdict.verdict, found.stands, stands) == ("supported", True, True)


def test_what_all_rows_share_is_no_error_of_their_difference() -> None:
    shared = 0.3 * DRAWS.normal(size=HALVES)
    lines = [
        line
        for row, centre in (("care", CARE), ("simclr", SIMCLR))
        for line in on_halves(row, {"wahba_error": centre[:, None] + shared})
    ]
    _, (found,), _ = weighed(RECORDS, lines, claim())
    assert found.error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("size", "expected"), [(0.01, True), (0.5, False)])
def test_a_verdict_stays_whatever_the_samples_say(size: float, expected: bool) -> None:
    shared = size * DRAWS.normal(size=HALVES)
    lines = [
        *on_halves("care", {"wahba_error": CARE[:, None] + shared}),
        *on_halves("simclr", {"wahba_error": np.ones((8, HALVES))}),
    ]
    for direction, outcome in (("lower", "supported"), ("higher", "contradicted")):
        verdict, (found,), stands = weighed(RECORDS, lines, claim({"direction": direction}))
        assert (verdict.verdict, verdict.findings[0].side != "neither") == (outcome, True)
        assert (found.stands, stands) == (expected, expected)
        without, none, unsaid = weighed(RECORDS, [], claim({"direction": direction}))
        assert (without, none, unsaid) == (verdict, (None,), None)


def test_a_finding_on_neither_side_has_intervals_and_nothing_to_stand() -> None:
    noisy = [*values_of("care", "wahba_error", list(1 + 10 * NOISE)), *RECORDS[8:]]
    lines = [
        *on_halves("care", {"wahba_error": around(CARE, 0.1)}),
        *on_halves("simclr", {"wahba_error": around(SIMCLR, 0.1)}),
    ]
    verdict, (found,), stands = weighed(noisy, lines, claim())
    assert (verdict.verdict, found.stands, stands) == ("inconclusive", None, None)
    assert found.both.low < found.samples.low < found.samples.high < found.both.high


def test_an_opponent_is_interpolated_on_every_half() -> None:
    rows = {"care": (0.8, 1.0), "simclr": (1.0, 0.5), "other": (2.0, 2.0)}  # error and movement
    numbers = {
        row: {"wahba_error": around(np.full(8, error), 0.05), "invariance": around(np.full(8, moved), 0.05)}
        for row, (error, moved) in rows.items()
    }
    records = listed(
        values_of(row, metric, [value] * 8)
        for row, pair in rows.items()
        for metric, value in zip(("wahba_error", "invariance"), pair, strict=True)
    )
    lines = listed(on_halves(row, metrics) for row, metrics in numbers.items())
    matched = claim({"scale": "log_ratio", "against": [], "matched": ["simclr", "other"]}, **MOVES)
    _, (found,), _ = weighed(records, lines, matched)
    logs = {row: {key: np.log(value) for key, value in metrics.items()} for row, metrics in numbers.items()}
    first, second, own = logs["simclr"], logs["other"], logs["care"]
    share = (own["invariance"] - first["invariance"]) / (second["invariance"] - first["invariance"])
    opponent = first["wahba_error"] + share * (second["wahba_error"] - first["wahba_error"])
    assert found.error == pytest.approx((own["wahba_error"] - opponent).mean(axis=0).std(ddof=1))
    numbers["care"]["invariance"][3, 7] = 9.0  # on one half one seed moves further than all that it is matched by
    lines = listed(on_halves(row, metrics) for row, metrics in numbers.items())
    assert weighed(records, lines, matched)[1] == (None,)


def test_a_share_of_draws_is_counted_on_every_half() -> None:
    care, simclr = DRAWS.uniform(0.5, 1.1, (8, HALVES, 20)), np.ones((8, HALVES, 20))
    records = [
        *(
            one
            for seed in range(8)
            for one in values_of("care", "wahba_error", [None] * seed + [0.8], values=(0.7, 1.2))
        ),
        *values_of("simclr", "wahba_error", [1.0] * 8, values=(1.0, 1.0)),
    ]
    lines = [*on_halves("care", {"wahba_error": care}), *on_halves("simclr", {"wahba_error": simclr})]
    _, (found,), _ = weighed(records, lines, claim({"of": "share_of_draws", "beyond": 0.9}))
    assert found.error == pytest.approx((care < simclr).mean(axis=2).mean(axis=0).std(ddof=1))


def test_an_equivalence_stands_by_two_one_sided_tests() -> None:
    def at(error: float) -> Sampling:
        shared = DRAWS.normal(size=HALVES)
        shared = 1 + error * (shared - shared.mean()) / shared.std(ddof=1)
        lines = [
            *on_halves("care", {"wahba_error": SIMCLR[:, None] * shared}),
            *on_halves("simclr", {"wahba_error": np.ones((8, HALVES))}),
        ]
        same = [*values_of("care", "wahba_error", list(1 + NOISE / 100)), *RECORDS[8:]]
        _, (found,), _ = weighed(same, lines, claim({"direction": "equivalent", "margin": 0.1}))
        return found

    # 0.1 is the margin; one-sided, the quantile of t with 24 degrees of freedom is 1.711, two-sided 2.064.
    assert at(0.099 / 1.711).stands
    assert not at(0.101 / 1.711).stands


@pytest.mark.parametrize("missing", ["a row", "a seed", "the metric"])
def test_nothing_is_said_where_something_is_missing(missing: str) -> None:
    care, simclr = (on_halves(row, {"wahba_error": np.ones((8, HALVES))}) for row in ("care", "simclr"))
    lines = {"a row": care, "a seed": [*care, *simclr[1:]], "the metric": [*care, *on_halves("simclr", {})]}[missing]
    assert weighed(RECORDS, lines, claim())[1] == (None,)


def test_findings_keep_their_order_and_a_sweep_has_none() -> None:
    care, simclr = around(CARE, 0.01), around(SIMCLR, 0.01)
    lines = [*on_halves("care", {"wahba_error": care}), *on_halves("simclr", {"wahba_error": simclr})]
    sweep = {"rows": {"care": 1.0, "simclr": 0.0}, "inside": [0.5, 2], "direction": "lower"}
    sweep |= {"datasets": ["digits"], "protocols": ["wahba-v1"], "metric": "wahba_error"}
    verdict, found, stands = weighed(RECORDS, lines, claim({"against": ["none", "simclr"]}, sweep=sweep))
    assert [one is None for one in found] == [True, False, True]
    assert found[1].error == pytest.approx((care - simclr).mean(axis=0).std(ddof=1))
    assert (verdict.verdict, stands) == ("not run", None)
    two = claim({"against": ["simclr"]}, {"direction": "higher"}, quantifier="any")
    wide = [
        *on_halves("care", {"wahba_error": CARE[:, None] + DRAWS.normal(size=HALVES)}),
        *on_halves("simclr", {"wahba_error": np.ones((8, HALVES))}),
    ]
    assert [weighed(RECORDS, part, two)[2] for part in (lines, wide)] == [True, False]
