"""Data without effect: how often the rules support a claim by chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from care_bench.config.claims import Claim, ClaimRules, parse_claims
from care_bench.evidence import findings
from care_bench.evidence.ledger import decide
from care_bench.evidence.pairs import cells
from care_bench.evidence.rules import read_rules
from care_bench.evidence.statistics import Interval
from tests.evidence.made import SEEDS, claim, listed, rules, values_of

ROOT = Path(__file__).parents[2]
N, DRAWS = len(SEEDS), 20
MOVED = {
    "simclr": 0.3,
    "simclr-half-invariance": 0.42,
    "simclr-weak-invariance": 0.42,
    "simclr-quarter-invariance": 0.6,
    "uniformity": 0.6,
}
"""Row -> how far it moves: from SimCLR to a quarter of its invariance weight, so that a matched opponent exists."""


@pytest.fixture(autouse=True)
def _without_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the bootstrap intervals, which are slow and decide nothing."""
    monkeypatch.setattr(findings, "bca_interval", lambda effects: Interval(0.0, 0.0))


class WithoutEffect:
    """Records of every row of some rules, in which all rows are drawn from one distribution.

    Rows of a seed share an effect of the seed. Values on their own are drawn around what divides them.
    """

    def __init__(self, found: ClaimRules) -> None:
        self.drawn: dict[Any, tuple[list[Any], Any, float]] = {}
        """Place -> its records, what has its effects of the seeds, and the middle of its values."""
        self.moved: dict[Any, tuple[list[Any], float]] = {}
        for one in found.claims:
            for row, metric, place, middle in _measured(one):
                if metric != "invariance" and (row, metric, place) not in self.drawn:
                    self.drawn[row, metric, place] = (_records(row, metric, **dict(place)), (metric, place), middle)
                for moving, value in (("invariance", MOVED.get(row, 0.4)), ("uniformity", 0.1)):
                    where = {key: value for key, value in place if key in ("dataset", "epoch")}
                    key = (row, moving, *where.values())
                    if key not in self.moved:
                        self.moved[key] = (_records(row, moving, **where), value)

    def draw(self, rng: np.random.Generator) -> list[Any]:
        """Draw other values, and return all records."""
        of_seeds = {place: rng.normal(size=N) for _, place, _ in self.drawn.values()}
        for records, place, middle in self.drawn.values():
            values = middle * (1 + 0.1 * (of_seeds[place] + rng.normal(size=N)))
            _fill(records, values, values[:, None] + 0.05 * rng.normal(size=(N, DRAWS)))
        for records, value in self.moved.values():
            _fill(records, value * np.exp(0.02 * rng.normal(size=N)), [None] * N)
        return listed(records for records, *_ in (*self.drawn.values(), *self.moved.values()))


def _measured(one: Claim) -> Iterator[tuple[str, str, tuple[tuple[str, Any], ...], float]]:
    """Yield row, metric, place and middle of everything that the comparisons of a claim read."""
    for part in one.comparisons:
        for cell in cells(part):
            middle = part.beyond if not cell.opponents and part.beyond is not None else 0.5
            for protocol in part.protocols:
                about = {"dataset": cell.dataset, "protocol": protocol, "representation": cell.representation}
                place = (*about.items(), ("epoch", cell.epoch))
                for row in (cell.row, *cell.opponents, *(one.sweep.rows if one.sweep else ())):
                    yield row, part.metric, place, middle


def _records(row: str, metric: str, **about: Any) -> list[Any]:
    return values_of(row, metric, [0.0] * N, profile="cpu", **about)


def _fill(records: list[Any], values: Any, draws: Any) -> None:
    for record, value, own in zip(records, values, draws, strict=True):
        record.value, record.values = value, own


@pytest.mark.parametrize("runs", [60, pytest.param(400, marks=pytest.mark.long)])
def test_data_without_effect_support_nothing(runs: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Of simulated runs of the rules that decide, at most 5 % support any claim at all.

    Claims of no difference are left out: they are true here.
    """
    found, digest = read_rules(ROOT / "results/reference/claims.yaml")
    kept = [one for one in found.claims if all(part.direction != "equivalent" for part in one.comparisons)]
    found = found.model_copy(update={"claims": tuple(kept), "seeds": tuple(SEEDS)})
    made, rng, wrong, each = WithoutEffect(found), np.random.default_rng(0), 0, Counter[str]()
    ever: set[str] = set()
    for _ in range(runs):
        verdicts = decide(made.draw(rng), found, digest)
        supported = [one.claim for one in verdicts if one.verdict == "supported"]
        ever |= {one.claim for one in verdicts if one.verdict != "not run"}
        each.update(supported)
        wrong += bool(supported)
    with capsys.disabled():
        print(f"\n{wrong} of {runs} runs without effect support a claim; of {len(ever)} claims decided: {dict(each)}")
    assert ever == {one.id for one in kept if one.not_decided is None}, "a claim was never decided"
    most = binom.ppf(0.95, runs, 0.05)  # 6 of 60, 27 of 400: more would speak against 5 %
    assert wrong <= most
    assert max(each.values(), default=0) <= most


def test_one_comparison_without_effect_is_supported_as_rarely_as_it_says() -> None:
    """A two-sided level of 5 % is 2.5 % for the claim's side; far fewer would mean that nothing is ever found."""
    found, rng, runs = parse_claims(rules(claim()), "here"), np.random.default_rng(1), 2000
    own, other = (values_of(row, "wahba_error", [0.0] * N) for row in ("care", "simclr"))
    verdicts: Counter[str] = Counter()
    for _ in range(runs):
        for records in (own, other):
            _fill(records, rng.normal(size=N), [None] * N)
        verdicts[decide([*own, *other], found, "f" * 64)[0].verdict] += 1
    for verdict in ("supported", "contradicted"):
        assert 0.012 < verdicts[verdict] / runs < 0.036, verdicts  # 0.025, four standard errors either way
