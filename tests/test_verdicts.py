"""What README.md says of the pinned records: the verdicts that the rules in results/ give for them, and the picture."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from care_bench.artifacts.collection import Collection
from care_bench.artifacts.pin import read_pin
from care_bench.config.claims import claims_in, read_claims
from care_bench.evidence.ledger import Verdict, decide
from care_bench.evidence.sampling import Parts, keeps_sides, sampling_of
from care_bench.report.figures import plots_of
from care_bench.report.figures.write import write_plot

ROOT = Path(__file__).parents[1]
PIN = "cpu-v3"
SEEDS = tuple(range(20, 28))


@pytest.fixture(scope="module")
def pinned() -> Collection:
    return read_pin(ROOT / "results/pinned" / PIN)


@pytest.fixture(scope="module")
def verdicts(pinned: Collection) -> dict[str, Verdict]:
    assert pinned.rules is not None
    return {one.claim: one for one in decide(pinned.records, *claims_in(pinned.rules, PIN))}


def test_the_rules_are_those_of_before_the_run(pinned: Collection) -> None:
    assert pinned.rules is not None
    before, now = claims_in(pinned.rules, PIN)[0], read_claims(ROOT / "results/reference/claims.yaml")[0]
    assert before == now
    assert now.seeds == SEEDS


def test_the_table_has_every_claim_with_its_verdict(verdicts: dict[str, Verdict]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| C\d+ \|.*\| (.+) \|$", text, re.MULTILINE)
    assert len(rows) == 12
    found = re.findall(r"(supported|contradicted|inconclusive|not run): ((?:C[\w-]+(?:, )?)+)", " ".join(rows))
    named = [(claim, verdict) for verdict, claims in found for claim in claims.rstrip(", ").split(", ")]
    assert len(named) == len(verdicts) == 32
    assert dict(named) == {claim: one.verdict for claim, one in verdicts.items()}


def test_every_verdict_rests_on_the_eight_seeds(verdicts: dict[str, Verdict], pinned: Collection) -> None:
    ids = {record.id for record in pinned.records}
    for one in verdicts.values():
        assert one.seeds == SEEDS, one.claim
        assert set(one.records) <= ids


def test_all_decided_verdicts_stand_over_test_samples(verdicts: dict[str, Verdict], pinned: Collection) -> None:
    assert pinned.rules is not None
    parts, stand = Parts(pinned.resamples), {}
    for claim in claims_in(pinned.rules, PIN)[0].claims:
        one = verdicts[claim.id]
        if one.verdict in ("supported", "contradicted"):
            stand[claim.id] = keeps_sides(one, claim, sampling_of(one, claim, parts))
    assert stand.pop("C11-raw") is None  # the training log says it, not test samples
    assert all(stand.values()), "as README.md says"
    assert len(stand) == 15


@pytest.mark.parametrize(
    ("own", "other", "row"),
    [
        ("care", "simclr", "weight 0.1 against weight 1, as in C8 and C9"),
        ("care", "simclr-weak-invariance", "both weight 0.1"),
        ("care-full-invariance", "simclr", "both weight 1"),
    ],
)
def test_the_effects_with_one_base_are_those_of_the_pin(pinned: Collection, own: str, other: str, row: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^\| {row} \| (.*) \|$", text, re.MULTILINE)
    measured = (("first_pc_r2", False), ("trajectory_step_variation", True), ("trajectory_group_residual", True))
    for cell, (metric, ratio) in zip(line.split(" | "), measured, strict=True):
        one, two = (_by_seed(pinned, name, metric) for name in (own, other))
        effects = np.log(one / two) if ratio else one - two
        ends = (effects.mean(), *stats.t.interval(0.95, 7, effects.mean(), stats.sem(effects)))
        digits = len(cell.split()[0].partition(".")[2])
        said = [float(number) for number in re.findall(r"[\d.]+", cell)]
        assert said == [pytest.approx(round(np.exp(end) if ratio else end, digits)) for end in ends]


def _by_seed(pinned: Collection, row: str, metric: str) -> np.ndarray:
    place = ("proteins", row, "projection", metric, None)
    found = {
        one.seed: one.value
        for one in pinned.records
        if (one.dataset, one.variant, one.representation, one.metric, one.epoch) == place
    }
    return np.array([found[seed] for seed in SEEDS])


def test_the_picture_is_drawn_from_the_pin(pinned: Collection, tmp_path: Path) -> None:
    write_plot(plots_of(pinned)["accuracy"], tmp_path / "accuracy.svg")
    assert (tmp_path / "accuracy.svg").read_bytes() == (ROOT / "docs" / "accuracy.svg").read_bytes()
