from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import STL10

from care_bench.data import UNLABELLED, load, prepare
from care_bench.data.sources import stl10
from tests.data import formats


@pytest.mark.parametrize("block", [2, 3, 1000])  # blocks smaller and larger than a part
@pytest.mark.parametrize("packed", [False, True])
def test_every_pixel_and_label_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, packed: bool
) -> None:
    monkeypatch.setattr(stl10, "BLOCK", block)
    written = formats.written_set(monkeypatch, "stl10", tmp_path / "raw")
    if packed:
        formats.pack(monkeypatch, "stl10", tmp_path / "raw")
    prepare("stl10", tmp_path / "store", tmp_path / "raw")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["stl10"]
    prepared = load("stl10", tmp_path / "store")
    images = np.concatenate([written.images["train"], written.images["unlabeled"]])
    np.testing.assert_array_equal(prepared.train.inputs, images)
    np.testing.assert_array_equal(prepared.train.labels["class"], [*written.labels["train"], *[-1] * 7])
    np.testing.assert_array_equal(prepared.test.inputs, written.images["test"])
    np.testing.assert_array_equal(prepared.test.labels["class"], written.labels["test"])
    assert prepared.train.labels["class"].dtype == np.int64


def test_agrees_with_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.written_set(monkeypatch, "stl10", tmp_path)
    prepare("stl10", tmp_path / "store", tmp_path)
    prepared = load("stl10", tmp_path / "store")
    for name, split in (("train+unlabeled", prepared.train), ("test", prepared.test)):
        reference = STL10(tmp_path, split=name)
        assert len(reference) == len(split)
        for index in range(len(reference)):
            image, label = reference[index]
            np.testing.assert_array_equal(np.asarray(image).transpose(2, 0, 1), split.inputs[index])
            assert split.labels["class"][index] in (label, UNLABELLED)
        if name == "test":
            np.testing.assert_array_equal(reference.labels, split.labels["class"])
