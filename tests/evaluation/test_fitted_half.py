"""The half of the test samples to which maps are fitted: what is related is all in it, or all held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split, load
from care_bench.data.subsets import ENTRY
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.records import measure


def embedded(entries: list[str] | None, n: int, seed: int = 0) -> Embedded:
    labels = {} if entries is None else {ENTRY: np.array(entries)}
    test = Split(np.zeros((n, 1, 2, 2), np.uint8), labels)
    found = PreparedDataset("made", "image", {}, test, test, "a" * 64, [0.5], [0.25])
    z = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    parts = {"test": z, "augmented": z.flip(1)[None]}
    return Embedded(found, EvaluationConfig(augmentation_seed=seed), parts.__getitem__)


@pytest.mark.parametrize("seed", range(20))
def test_samples_of_one_entry_are_on_one_side(seed: int) -> None:
    entries = [name for name, size in {"a": 16, "b": 1, "c": 5, "d": 2, "e": 9, "f": 1}.items() for _ in range(size)]
    fitted = embedded(entries, 34, seed).half_of(torch.arange(34)).tolist()
    sides = {name: {side for side, other in zip(fitted, entries, strict=True) if other == name} for name in "abcdef"}
    assert all(len(side) == 1 for side in sides.values())
    assert 13 <= sum(fitted) <= 17, "as near to a half as entries allow"


def test_entries_of_the_rows_that_are_asked_for_count() -> None:
    rows = torch.tensor([7, 0, 3, 9])
    entries = ["a", "x", "x", "b", "x", "x", "x", "a", "x", "b"]
    fitted = embedded(entries, 10).half_of(rows)
    assert fitted[0] == fitted[1] != fitted[2] == fitted[3]


def test_without_entries_it_is_a_half_of_the_samples() -> None:
    halves = [embedded(None, 11, seed).half_of(torch.arange(11)) for seed in range(40)]
    assert {int(half.sum()) for half in halves} == {5}
    assert all(0.2 < share < 0.75 for share in torch.stack(halves).double().mean(dim=0))


def test_one_entry_alone_leaves_nothing_to_hold_out() -> None:
    found = measure(PROTOCOLS["held-out-wahba-v1"], embedded(["a"] * 6, 6))
    assert all(one.reason == "0 of 6 samples are fitted; expected some, and some held out" for one in found)


def test_the_proteins_of_the_package(data: Path) -> None:
    """19 entries, of which one has a third of the fragments."""
    proteins = load("proteins", data)
    found = Embedded(proteins, EvaluationConfig(), {}.__getitem__)
    fitted = found.half_of(torch.arange(len(proteins.test))).numpy()
    names = proteins.test.labels[ENTRY]
    assert not set(names[fitted]) & set(names[~fitted])
    assert 18 <= fitted.sum() <= 24
