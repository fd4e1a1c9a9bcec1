from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from care_bench.data import load, prepare
from tests.data import formats


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_pixel_and_label_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, packed: bool
) -> None:
    written = formats.written_set(monkeypatch, name, tmp_path / "raw")
    if packed:
        formats.pack(monkeypatch, name, tmp_path / "raw")
    prepare(name, tmp_path / "store", tmp_path / "raw")
    prepared = load(name, tmp_path / "store")
    for part, split in (("train", prepared.train), ("test", prepared.test)):
        assert split.inputs.dtype == np.uint8
        np.testing.assert_array_equal(split.inputs, written.images[part])
        assert split.labels["class"].dtype == np.int64
        np.testing.assert_array_equal(split.labels["class"], written.labels[part])
    unit = written.images["train"].astype(np.float64) / 255
    np.testing.assert_allclose(prepared.mean, unit.mean(axis=(0, 2, 3)), rtol=1e-12)


def test_fine_labels_are_not_the_coarse_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.written_set(monkeypatch, "cifar100", tmp_path)
    batch = pickle.loads((tmp_path / "cifar-100-python" / "train").read_bytes())
    assert batch["fine_labels"] != batch["coarse_labels"]
    prepare("cifar100", tmp_path / "store", tmp_path)
    assert load("cifar100", tmp_path / "store").train.labels["class"].tolist() == batch["fine_labels"]
