from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import STL10

from care_bench.data import UNLABELLED, load, prepare, stl10
from care_bench.errors import CareBenchError
from tests.data import formats


@pytest.mark.parametrize("block", [2, 3, 1000])  # smaller than a part, and larger
@pytest.mark.parametrize("packed", [False, True])
def test_every_pixel_and_label_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, packed: bool
) -> None:
    monkeypatch.setattr(stl10, "BLOCK", block)
    written = formats.written_set(monkeypatch, "stl10", tmp_path / "raw")
    if packed:
        formats.pack(monkeypatch, "stl10", tmp_path / "raw")
    prepare("stl10", tmp_path / "store", tmp_path / "raw")
    prepared = load("stl10", tmp_path / "store")
    images = np.concatenate([written.images["train"], written.images["unlabeled"]])
    np.testing.assert_array_equal(prepared.train.inputs, images)
    np.testing.assert_array_equal(prepared.train.labels["class"], [*written.labels["train"], *[-1] * 7])
    np.testing.assert_array_equal(prepared.test.inputs, written.images["test"])
    np.testing.assert_array_equal(prepared.test.labels["class"], written.labels["test"])
    assert prepared.train.labels["class"].dtype == np.int64
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["stl10"]


def test_agrees_with_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.written_set(monkeypatch, "stl10", tmp_path)
    prepare("stl10", tmp_path / "store", tmp_path)
    prepared = load("stl10", tmp_path / "store")
    for split, side in (("train+unlabeled", prepared.train), ("test", prepared.test)):
        reference = STL10(tmp_path, split=split)
        assert len(reference) == len(side)
        for index in range(len(reference)):
            image, label = reference[index]
            np.testing.assert_array_equal(np.asarray(image).transpose(2, 0, 1), side.inputs[index])
            assert side.labels["class"][index] in (label, UNLABELLED)
        if split == "test":
            np.testing.assert_array_equal(reference.labels, side.labels["class"])


def test_stopped_attempt_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stl10, "BLOCK", 2)
    written = formats.written_set(monkeypatch, "stl10", tmp_path)
    read, offsets = np.fromfile, []

    def stop(path: Path, dtype: type, count: int = -1, offset: int = 0) -> np.ndarray:
        if count > 0:
            offsets.append((Path(path).name, offset))
        if len(offsets) == 4:
            raise KeyboardInterrupt
        return read(path, dtype, count, offset=offset)

    monkeypatch.setattr(np, "fromfile", stop)
    with pytest.raises(KeyboardInterrupt):
        prepare("stl10", tmp_path / "store", tmp_path)
    assert not (tmp_path / "store" / "stl10").exists()
    prepare("stl10", tmp_path / "store", tmp_path)
    assert offsets[4] == offsets[3] == ("unlabeled_X.bin", 2 * 27_648)
    images = np.concatenate([written.images["train"], written.images["unlabeled"]])
    np.testing.assert_array_equal(load("stl10", tmp_path / "store").train.inputs, images)


@pytest.mark.parametrize("part", ["train", "unlabeled", "test"])
def test_wrong_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    formats.written_set(monkeypatch, "stl10", tmp_path)
    counts = formats.COUNTS["stl10"]
    formats.allow_checksums(monkeypatch, "stl10", tmp_path, {**counts, part: counts[part] + 1})
    found = rf"stl10: {counts[part]} {part} images in .*, expected {counts[part] + 1};"
    with pytest.raises(CareBenchError, match=found):
        prepare("stl10", tmp_path / "store", tmp_path)


def test_published_sizes() -> None:
    assert stl10.SIZES == {"train": 5_000, "unlabeled": 100_000, "test": 8_000}
