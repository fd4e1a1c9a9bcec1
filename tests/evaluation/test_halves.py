"""Random halves: which rows they hold, and that their spread is the sampling variance, where that is known."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from care_bench.data import PreparedDataset, Split
from care_bench.data.subsets import ENTRY, entries
from care_bench.evaluation.halves import embedded_half, halves
from tests.evaluation.given import given

Statistic = Callable[[np.ndarray], float]
TIMES, NUMBER = 300, 25


def dataset(n: int, groups: Sequence[str] = (), name: str = "made") -> PreparedDataset:
    labels = {ENTRY: np.array(groups)} if groups else {}
    test = Split(np.zeros((n, 1, 2, 2), np.uint8), labels)
    return PreparedDataset(name, "image", {}, test, test, "a" * 64, [0.5], [0.25])


def drawn(number: int, found: PreparedDataset) -> list[list[int]]:
    return [rows.tolist() for rows in halves(found, number)]


def test_a_half_holds_half_of_the_samples_once_in_random_order() -> None:
    found = drawn(200, dataset(31))
    assert all(len(rows) == 15 and len(set(rows)) == 15 for rows in found)
    assert set().union(*found) == set(range(31))
    together = sum((0 in rows) and (1 in rows) for rows in found) / 200
    assert together == pytest.approx(15 / 31 * 14 / 30, abs=0.09), "two samples are kept independently"
    first = [rows[0] for rows in found]
    assert abs(np.mean(first) - 15) < 2.5, "the first row is any of them, since protocols measure the first few"


def test_halves_depend_on_the_name_and_the_number_of_samples_alone() -> None:
    assert drawn(3, dataset(30)) == drawn(3, dataset(30)) == drawn(5, dataset(30))[:3]
    assert drawn(3, dataset(30)) != drawn(3, dataset(30, name="other"))
    draws = torch.Generator().manual_seed(
        int.from_bytes(hashlib.sha256(repr(("made", "halves of the test samples", 30)).encode()).digest()[:8]) >> 1
    )
    for rows in drawn(4, dataset(30)):
        kept = set(torch.randperm(30, generator=draws)[:15].tolist())
        assert rows == [row for row in torch.randperm(30, generator=draws).tolist() if row in kept]


def test_samples_of_one_group_stay_together() -> None:
    groups = ["b", "a", "b", "c", "b", "d", "e"]
    found = dataset(7, groups)
    assert entries(found.test).tolist() == [1, 0, 1, 2, 1, 3, 4]
    for rows in drawn(20, found):
        kept = {groups[row] for row in rows}
        assert len(kept) == 2, "half of five groups, rounded down"
        assert sorted(rows) == [row for row in range(7) if groups[row] in kept]


def pair_median(x: np.ndarray) -> float:
    """Return the median over pairs of a ratio in both of its samples, as γ is."""
    i, j = np.triu_indices(len(x), 1)
    return float(np.median((x[i, 0] - x[j, 0]) ** 2 / (x[i, 1] ** 2 + x[j, 1] ** 2)))


STATISTICS: dict[str, Statistic] = {
    "mean": lambda x: float(x[:, 0].mean()),
    "log ratio of means": lambda x: math.log(np.square(x[:, 0]).mean() / np.square(x[:, 1]).mean()),
    "median over pairs": pair_median,
}


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("n", [200, 201])
def test_their_spread_is_the_sampling_deviation(name: str, n: int) -> None:
    statistic, draws = STATISTICS[name], np.random.default_rng(7)
    rows = [part.numpy() for part in halves(dataset(n), NUMBER)]
    factor = (n // 2) / (n - n // 2)
    whole, variances = [], []
    for _ in range(TIMES):
        x = draws.normal(size=(n, 2)) + np.array([1.0, 0.5])
        whole.append(statistic(x))
        variances.append(factor * np.var([statistic(x[part]) for part in rows], ddof=1))
    expected = 1 / math.sqrt(n) if name == "mean" else np.std(whole, ddof=1)
    # A deviation of 300 numbers is off by 4 %.
    assert math.sqrt(np.mean(variances)) == pytest.approx(expected, rel=0.12)
    # The interval of t with 24 degrees of freedom, about each value, holds the truth 95 times in 100.
    truth = 1.0 if name == "mean" else np.mean(whole)
    covered = np.abs(np.array(whole) - truth) <= 2.0639 * np.sqrt(variances)
    assert covered.mean() == pytest.approx(0.95, abs=0.04)


def test_their_spread_is_that_of_groups_where_samples_belong_together() -> None:
    draws, sizes = np.random.default_rng(3), [6, 3, 2, 2, 1, 1, 1, 2, 3, 1, 2, 1, 1, 2, 2, 1, 3, 2, 1]
    groups = [f"g{place:02}" for place, size in enumerate(sizes) for _ in range(size)]
    found, places = dataset(len(groups), groups), np.repeat(np.arange(len(sizes)), sizes)
    rows = [part.numpy() for part in halves(found, NUMBER)]
    whole, variances = [], []
    for _ in range(TIMES):
        x = draws.normal(size=len(sizes))[places] + 0.1 * draws.normal(size=len(groups))
        whole.append(x.mean())
        variances.append(9 / 10 * np.var([x[part].mean() for part in rows], ddof=1))
    alone = 1 / math.sqrt(len(groups))
    assert np.std(whole) > 1.3 * alone, "samples of one group say the same"
    assert math.sqrt(np.mean(variances)) == pytest.approx(np.std(whole, ddof=1), rel=0.2)


def test_a_part_of_some_samples_keeps_those_that_are_in_the_half() -> None:
    """Samples 1, 4, 6 and 8 of ten are seen under single augmentations; a value says sample and copy."""
    places = torch.tensor([1, 4, 6, 8])
    single = places[None] + 100 * torch.arange(3)[:, None]
    whole = given(dataset(10), single=single[..., None].double(), single_rows=places)
    rows = torch.tensor([8, 0, 4, 3, 1])
    part = embedded_half(whole, rows)
    assert part.single[..., 0].tolist() == [[8, 4, 1], [108, 104, 101], [208, 204, 201]]
    assert part.single_rows.tolist() == [0, 2, 4]
    assert rows[part.single_rows].tolist() == [8, 4, 1]
    with pytest.raises(ValueError, match="velocities is not measured on a part"):
        part.part("velocities")
