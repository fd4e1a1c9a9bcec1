from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import Flowers102
from torchvision.transforms import v2

from care_bench.data import load, prepare
from care_bench.errors import CareBenchError
from tests.data import formats

pytestmark = pytest.mark.usefixtures("read_in_threads")


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    formats.written_set(monkeypatch, "flowers102", tmp_path / "raw")
    return tmp_path / "raw"


def files_of(raw: Path, part: str) -> list[Path]:
    """Return the photographs of a split, as torchvision lists them."""
    return [path for path, _ in Flowers102(raw, split=part, loader=lambda path: path)]


def test_agrees_with_torchvision(tmp_path: Path, raw: Path) -> None:
    prepare("flowers102", tmp_path / "store", raw)
    prepared = load("flowers102", tmp_path / "store")
    transform = v2.Compose([v2.Resize(256, antialias=True), v2.CenterCrop(256), v2.PILToTensor()])
    for names, split in ((("train", "val"), prepared.train), (("test",), prepared.test)):
        samples = [sample for name in names for sample in Flowers102(raw, split=name, transform=transform)]
        assert split.inputs.shape == (len(samples), 3, 256, 256)
        assert split.labels["class"].dtype == np.int64
        for index, (image, label) in enumerate(samples):
            np.testing.assert_array_equal(split.inputs[index], image.numpy())
            assert split.labels["class"][index] == label


def test_labels_and_split_are_those_of_the_mat_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = formats.written_set(monkeypatch, "flowers102", tmp_path)
    prepare("flowers102", tmp_path / "store", tmp_path)
    prepared = load("flowers102", tmp_path / "store")
    train = [*written.labels["trnid"], *written.labels["valid"]]
    np.testing.assert_array_equal(prepared.train.labels["class"], train)
    np.testing.assert_array_equal(prepared.test.labels["class"], written.labels["tstid"])


@pytest.mark.parametrize("content", [b"", b"not a photograph", b"half"])
def test_unreadable_photograph(tmp_path: Path, raw: Path, content: bytes) -> None:
    path = files_of(raw, "val")[0]
    path.write_bytes(path.read_bytes()[:2000] if content == b"half" else content)
    with pytest.raises(CareBenchError, match=rf"1 of \d+ files cannot be read: {path} \(.*--skip-broken") as error:
        prepare("flowers102", tmp_path / "store", raw)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "store" / "flowers102").exists()


def test_unreadable_photographs_are_left_out(tmp_path: Path, raw: Path) -> None:
    whole = load("flowers102", prepare("flowers102", tmp_path / "whole", raw).parent)
    broken = [files_of(raw, "val")[1], files_of(raw, "test")[2]]  # rows 4 of 5 and 2 of 4
    for path in broken:
        path.write_bytes(b"not a photograph")
    folder = prepare("flowers102", tmp_path / "store", raw, skip_broken=True)
    prepared = load("flowers102", tmp_path / "store")
    assert json.loads((folder / "meta.json").read_text())["skipped"] == [path.name for path in broken]
    for split, row in (("train", 4), ("test", 2)):
        before, after = getattr(whole, split), getattr(prepared, split)
        np.testing.assert_array_equal(after.inputs, np.delete(before.inputs, row, axis=0))
        np.testing.assert_array_equal(after.labels["class"], np.delete(before.labels["class"], row))


def test_split_without_a_readable_photograph(tmp_path: Path, raw: Path) -> None:
    for path in files_of(raw, "test"):
        path.write_bytes(b"")
    with pytest.raises(CareBenchError, match="'flowers102': nothing is left of its test split after 4 broken files"):
        prepare("flowers102", tmp_path / "store", raw, skip_broken=True)


def test_cmyk_photograph(tmp_path: Path, raw: Path) -> None:
    path = files_of(raw, "train")[0]
    with Image.open(path) as image:
        image.convert("CMYK").save(path)
    prepare("flowers102", tmp_path / "store", raw)
    with Image.open(path) as image:
        expected = v2.functional.resize(image.convert("RGB"), [256])
    expected = np.asarray(v2.functional.center_crop(expected, [256, 256]))
    stored = load("flowers102", tmp_path / "store").train.inputs[0]
    np.testing.assert_array_equal(stored, expected.transpose(2, 0, 1))


def test_missing_photograph_is_not_skipped(tmp_path: Path, raw: Path) -> None:
    path = files_of(raw, "test")[0]
    path.unlink()
    with pytest.raises(CareBenchError, match=rf"{path} is missing, .* expected, from .*102flowers.tgz"):
        prepare("flowers102", tmp_path / "store", raw, skip_broken=True)
