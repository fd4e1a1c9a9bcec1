"""What stands beside verdicts: whether other samples bear them, effects that a guard blocks, and what was tested."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from care_bench.artifacts.collection import Collection
from care_bench.report.model import Statements, Table
from tests.evidence.made import claim
from tests.report.decided import HIGHER, LOWER, UNDECIDED, WORSE, PerSeed, laid_out, small
from tests.resampled import resampled, resamples


@pytest.fixture
def collection(per_seed: PerSeed) -> Collection:
    return small(per_seed)


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
    assert [column.name for column in table.columns[4:9]] == named
    assert [[*row[:5], *row[8:]] for row in table.cells] == [list(row) for row in before.cells], "nothing else changes"
    # Deviation 0.1 over three halves of 5 of 10, times 4.3027, the quantile of t with 2 degrees of freedom: 0.4303.
    assert table.cells[0][5].text == "[-0.9303, -0.0697]"
    assert table.cells[0][6].text == "[-0.9307, -0.0693]", "0.4303 and 0.0196 in squares: 0.4307"
    assert [row[7].text for row in table.cells] == ["stands", "stands", ""]
    assert [cell.notes for cell in table.cells[2][5:7]] == [("Nothing measures it.",)] * 2
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
    assert [cell.text for cell in row[1:3]] == ["supported", "1 for"]
    assert row[6].text == "[-1.791, 0.7909]"
    assert row[7].text == "does not stand"


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
    assert found[0].cells[0][7].text == "stands; on its own Wahba, mean on digits [-0.7909, 1.791] would not"  # type: ignore[union-attr]


def test_the_effect_of_a_blocked_comparison_is_shown(per_seed: PerSeed, collection: Collection) -> None:
    spread = [*per_seed([0.0] * 5, metric="uniformity"), *per_seed([0.5] * 5, variant="care", metric="uniformity")]
    guards = {"collapse": {"protocol": "alignment-uniformity-v1", "metric": "uniformity", "most": 0.05}}
    found = laid_out(replace(collection, records=(*collection.records, *spread)), claim(guards=guards))
    assert found is not None
    (row,) = found[0].cells  # type: ignore[union-attr]
    assert [cell.text for cell in row[1:3]] == ["inconclusive", "1 blocked"]
    assert row[4].text == "difference -0.5000 [-0.5196, -0.4804]"
    assert "exceeds that of simclr by 0.5" in row[-1].text
    halves = [resamples(one, resampled(one, (1.0, 1.1))) for one in collection.records[:1]]
    found = laid_out(replace(collection, resamples=tuple(halves)), claim(least_seeds=6), claim(id="C7"))
    assert found is not None
    assert found[0].cells[0][5].notes[0].endswith("5 pairs of seeds; at least 6 are needed (1 of 1 comparisons)")  # type: ignore[union-attr]
    assert found[0].cells[1][5].notes == ("no such effect on halves of the test samples",)  # type: ignore[union-attr]


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
