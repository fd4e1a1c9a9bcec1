"""Effects of pairs: seeds, draws, matched opponents and guards, with values worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from care_bench.config.claims import Claim, parse_claims
from care_bench.evidence.pairs import Index, Paired, cells, pair
from tests.evidence.made import SEEDS, claim, listed, rules, values_of

COLLAPSE = {"collapse": {"protocol": "alignment-uniformity-v1", "metric": "uniformity", "most": 0.05}}
MOVEMENT = {"movement": {"protocol": "relative-equivariance-v1", "metric": "invariance"}}
MATCHED = {"against": [], "matched": ["simclr", "half", "quarter"]}


def parsed(comparison: dict[str, Any], **changes: Any) -> Claim:
    return parse_claims(rules(claim(comparison, **changes)), "here").claims[0]


def paired(records: list[Any], rule: Claim) -> Paired:
    comparison = rule.comparisons[0]
    return pair(Index(records, SEEDS), comparison, cells(comparison)[0], "wahba-v1", rule.guards, rule.least_seeds)


def test_a_comparison_has_a_cell_for_every_combination() -> None:
    rule = parsed(
        {
            "rows": ["care", "other"],
            "against": ["simclr", "byol"],
            "datasets": ["digits", "proteins"],
            "epochs": [10, None],
        }
    )
    found = cells(rule.comparisons[0])
    assert len(found) == len(set(found)) == 16
    assert len(cells(parsed(MATCHED, guards=MOVEMENT).comparisons[0])) == 1, "matched rows are one opponent together"


def test_values_are_paired_by_seed() -> None:
    records = values_of("simclr", "wahba_error", [1.0, 2.0, 4.0, 5.0, 9.0, 7.0])
    records += reversed(values_of("care", "wahba_error", [0.5, 1.0, None, 5.0, 3.0, 8.0, 9.0]))
    found = paired(records, parsed({}))
    assert found.seeds == (10, 11, 13, 14, 15)
    assert found.effects.tolist() == [-0.5, -1.0, 0.0, -6.0, 1.0]
    assert len(found.records) == 10
    assert set(found.records) <= {record.id for record in records}


def test_only_records_of_the_right_place_and_seed_count() -> None:
    right = values_of("care", "wahba_error", range(1, 9)) + values_of("simclr", "wahba_error", [1.0] * 8)
    changed: list[dict[str, Any]] = [{"epoch": 10}, {"representation": "features"}, {"dataset": "proteins"}]
    wrong = listed(values_of("care", "wahba_error", [99.0] * 8, **one) for one in changed)
    other = values_of("care", "wahba_error", [99.0])
    other[0].seed = 3
    found = paired([*right, *wrong, *other], parsed({}))
    assert found.effects.tolist() == list(range(8))


def test_too_few_pairs_are_not_run() -> None:
    records = values_of("care", "wahba_error", [1.0] * 8) + values_of("simclr", "wahba_error", [2.0] * 4)
    assert paired(records, parsed({})).absent == "4 pairs of seeds; at least 5 are needed"
    assert paired(records, parsed({"against": ["byol"]})).absent == "no values of byol"


def test_a_share_of_draws_leaves_out_draws_that_change_nothing() -> None:
    own = values_of("care", "wahba_error", [1.0] * 5, values=(0.0, 1.0, 2.0, 3.0, 4.0))
    other = values_of("simclr", "wahba_error", [1.0] * 5, values=(0.0, 2.0, 3.0, 4.0, 1.0))
    found = paired(own + other, parsed({"of": "share_of_draws", "beyond": 0.9}))
    assert found.effects.tolist() == [0.75] * 5
    still = (
        values_of("care", "wahba_error", [0.0] * 5, values=(0.0, 0.0)),
        values_of("simclr", "wahba_error", [0.0] * 5, values=(0.0, 0.0)),
    )
    assert (
        "no draw of seed 10 changes anything"
        in paired(listed(still), parsed({"of": "share_of_draws", "beyond": 0.9})).blocked
    )
    without = own + values_of("simclr", "wahba_error", [1.0] * 5)
    assert (
        "seed 10 has no values of the same draws"
        in paired(without, parsed({"of": "share_of_draws", "beyond": 0.9})).blocked
    )


def matched_records(own_movement: float) -> list[Any]:
    """Return opponents that move by 0.1, 0.2 and 0.4, with errors 1, 2 and 8."""
    moved = {"simclr": (0.1, 1.0), "half": (0.2, 2.0), "quarter": (0.4, 8.0), "care": (own_movement, 3.0)}
    return listed(
        values_of(row, metric, [value] * 6)
        for row, pair_of in moved.items()
        for metric, value in zip(("invariance", "wahba_error"), pair_of, strict=True)
    )


@pytest.mark.parametrize(
    ("scale", "movement", "opponent"),
    [
        ("log_ratio", 0.2, 2.0),  # a control itself
        ("log_ratio", 0.2 * 2**0.5, 4.0),  # half way between 0.2 and 0.4, and so between log 2 and log 8
        ("difference", 0.2 * 2**0.5, 5.0),  # half way between 2 and 8
    ],
)
def test_a_matched_opponent_is_interpolated_at_the_rows_own_movement(
    scale: str, movement: float, opponent: float
) -> None:
    found = paired(matched_records(movement), parsed({**MATCHED, "scale": scale}, guards=MOVEMENT))
    expected = np.log(3 / opponent) if scale == "log_ratio" else 3 - opponent
    assert found.effects == pytest.approx([expected] * 6)
    assert len(found.records) == 6 * 8, "the records of the movement belong to it"


@pytest.mark.parametrize("movement", [0.09, 0.41])
def test_no_matched_opponent_outside_the_range(movement: float) -> None:
    found = paired(matched_records(movement), parsed(MATCHED, guards=MOVEMENT))
    assert f"seed 10 moves by {movement}, outside the 0.1 to 0.4 of simclr, half, quarter" in found.blocked


def test_the_movement_of_every_row_is_needed() -> None:
    records = [one for one in matched_records(0.2) if (one.variant, one.metric) != ("half", "invariance")]
    assert paired(records, parsed(MATCHED, guards=MOVEMENT)).absent == "the movement of half is not measured"


@pytest.mark.parametrize(("excess", "blocked"), [(0.049, False), (0.051, True)])
def test_a_collapsed_row_has_no_verdict(excess: float, blocked: bool) -> None:
    records = listed(values_of(row, "wahba_error", [value] * 5) for row, value in (("care", 0.1), ("simclr", 0.9)))
    records += listed(
        values_of(row, "uniformity", [value] * 5) for row, value in (("care", 0.1 + excess), ("simclr", 0.1))
    )
    found = paired(records, parsed({}, guards=COLLAPSE))
    assert bool(found.blocked) == blocked
    assert (
        found.blocked == ""
        or "uniformity of care exceeds that of simclr by 0.051, more than the 0.05 that" in found.blocked
    )
    assert len(found.records) == 20
    unmeasured = [one for one in records if (one.variant, one.metric) != ("simclr", "uniformity")]
    assert "uniformity of seed 10 is not measured" in paired(unmeasured, parsed({}, guards=COLLAPSE)).blocked


@pytest.mark.parametrize("order", [["simclr", "half", "quarter"], ["quarter", "half", "simclr"]])
@pytest.mark.parametrize(("own", "blocked"), [(0.249, ""), (0.251, "by 0.051, more than the 0.05 that")])
@pytest.mark.parametrize("scale", ["difference", "log_ratio"])
def test_collapse_is_held_against_the_opponent_that_moves_as_far(
    order: list[str], own: float, blocked: str, scale: str
) -> None:
    """Half way between 0.2 and 0.4 on a log scale; half way between 0.1 and 0.3 is 0.2, whatever the metric's scale."""
    uniform = {"simclr": 0.0, "half": 0.1, "quarter": 0.3, "care": own}
    records = matched_records(0.2 * 2**0.5)
    records += listed(values_of(row, "uniformity", [value] * 6) for row, value in uniform.items())
    rule = parsed({**MATCHED, "matched": order, "scale": scale}, guards={**COLLAPSE, **MOVEMENT})
    found = paired(records, rule)
    assert blocked in found.blocked
    assert bool(found.blocked) == bool(blocked)
    assert set(found.records) == {record.id for record in records}
    unmeasured = [one for one in records if (one.variant, one.metric) != ("half", "uniformity")]
    assert "uniformity of seed 10 is not measured" in paired(unmeasured, rule).blocked


def test_without_a_matched_opponent_the_guard_leaves_the_reason_to_the_comparison() -> None:
    records = matched_records(0.41)
    records += listed(values_of(row, "uniformity", [1.0] * 6) for row in ("simclr", "half", "quarter", "care"))
    assert "no matched opponent" in paired(records, parsed(MATCHED, guards={**COLLAPSE, **MOVEMENT})).blocked


def test_a_log_ratio_of_zero_has_no_verdict() -> None:
    records = values_of("care", "wahba_error", [0.0] * 5) + values_of("simclr", "wahba_error", [1.0] * 5)
    assert "found 0 in a log ratio" in paired(records, parsed({"scale": "log_ratio"})).blocked
