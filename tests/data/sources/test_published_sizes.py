"""Numbers of samples of the published data sets, and the error if there are fewer or more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import formats

SIZES = {
    "cifar10": {"train": 50_000, "test": 10_000},
    "cifar100": {"train": 50_000, "test": 10_000},
    "stl10": {"train": 5_000, "unlabeled": 100_000, "test": 8_000},
    "flowers102": {"trnid": 1_020, "valid": 1_020, "tstid": 6_149},
    "fashion_mnist": {"train": 60_000, "test": 10_000},
    "tinted_fashion_mnist": {"train": 60_000, "test": 10_000},
}


@pytest.mark.parametrize("name", SIZES)
def test_the_sizes_are_the_published_ones(name: str) -> None:
    assert SIZES[name] == formats.MODULES[name].SIZES


@pytest.mark.parametrize(("name", "part"), [(name, part) for name in SIZES for part in SIZES[name]])
def test_a_wrong_count_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: str) -> None:
    counts = formats.COUNTS[name]
    formats.written_set(monkeypatch, name, tmp_path / "raw")
    formats.allow_checksums(monkeypatch, name, tmp_path / "raw", {**counts, part: 10_000})
    found = formats.failure(name, tmp_path)
    assert f"{name}: {counts[part]} {part} images in {tmp_path}/raw, expected 10,000; see https://" in found
