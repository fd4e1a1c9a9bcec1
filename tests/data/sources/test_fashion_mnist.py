from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import FashionMNIST

from care_bench.data import load, prepare
from care_bench.data.preparing import tints
from care_bench.errors import CareBenchError
from tests.data import formats

FOLDER = Path("FashionMNIST") / "raw"


def unpack(path: Path) -> Path:
    """Replace a packed file by the plain one."""
    plain = path.with_suffix("")
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    return plain


@pytest.mark.parametrize("form", ["packed", "plain", "mixed", "packed again"])
def test_every_pixel_and_label_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    written = formats.written_set(monkeypatch, "fashion_mnist", tmp_path)
    for index, path in enumerate(sorted((tmp_path / FOLDER).iterdir())):
        if form == "plain" or (form == "mixed" and index % 2):
            unpack(path)
        elif form == "packed again":  # another gzip file with the same content, as Linux distributions ship it
            path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1, mtime=7))
    prepare("fashion_mnist", tmp_path / "store", tmp_path)
    prepared = load("fashion_mnist", tmp_path / "store")
    for name, split in (("train", prepared.train), ("test", prepared.test)):
        assert split.inputs.shape[1:] == (1, 28, 28)
        np.testing.assert_array_equal(split.inputs, written.images[name])
        assert split.labels["class"].dtype == np.int64
        np.testing.assert_array_equal(split.labels["class"], written.labels[name])


def test_agrees_with_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.written_set(monkeypatch, "fashion_mnist", tmp_path)
    for path in list((tmp_path / FOLDER).iterdir()):
        unpack(path)
    prepare("fashion_mnist", tmp_path / "store", tmp_path)
    prepared = load("fashion_mnist", tmp_path / "store")
    for train, split in ((True, prepared.train), (False, prepared.test)):
        reference = FashionMNIST(tmp_path, train=train)
        np.testing.assert_array_equal(reference.data.numpy(), split.inputs[:, 0])
        np.testing.assert_array_equal(reference.targets.numpy(), split.labels["class"])


@pytest.mark.parametrize("block", [4, 1000])
def test_tinted_images_are_the_grey_ones_times_their_tint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(tints, "BLOCK", block)
    written = formats.written_set(monkeypatch, "tinted_fashion_mnist", tmp_path)
    prepare("tinted_fashion_mnist", tmp_path / "store", tmp_path)
    prepared = load("tinted_fashion_mnist", tmp_path / "store")
    first = 0
    for name, split in (("train", prepared.train), ("test", prepared.test)):
        n = len(split)
        for index in range(n):  # numpy's uniform numbers, by index in train, then in test
            uniform = np.random.Generator(np.random.Philox(np.random.SeedSequence(first + index))).random(3)
            np.testing.assert_allclose(split.labels["tint"][index], 0.3 + 0.7 * uniform, rtol=1e-7)
        exact = np.einsum("nyx,nc->ncyx", written.images[name][:, 0].astype(np.float64), split.labels["tint"])
        assert split.inputs.shape == (n, 3, 28, 28)
        assert np.abs(split.inputs - exact).max() <= 0.5
        np.testing.assert_array_equal(split.labels["class"], written.labels[name])
        first += n
    assert prepared.train.labels["tint"].dtype == np.float32


def test_plain_file_with_a_flipped_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.written_set(monkeypatch, "fashion_mnist", tmp_path)
    plain = unpack(tmp_path / FOLDER / "train-images-idx3-ubyte.gz")
    content = plain.read_bytes()
    plain.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CareBenchError, match=rf"{plain} is truncated or changed: \d+ bytes with md5 .*, expected md5"):
        prepare("fashion_mnist", tmp_path / "store", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="page"),
        pytest.param(gzip.compress(b"other", mtime=0), id="other content"),
        pytest.param(gzip.compress(b"x" * 9999, mtime=0)[:-12], id="cut off"),
    ],
)
def test_another_packed_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    formats.written_set(monkeypatch, "fashion_mnist", tmp_path)
    path = tmp_path / FOLDER / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(CareBenchError, match=rf"{path} is truncated or changed: ") as error:
        prepare("fashion_mnist", tmp_path / "store", tmp_path)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == content


def test_folder_in_the_place_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.written_set(monkeypatch, "fashion_mnist", tmp_path)
    path = tmp_path / FOLDER / "t10k-labels-idx1-ubyte.gz"
    path.unlink()
    path.mkdir()
    with pytest.raises(CareBenchError, match=rf"cannot read {path}: Is a directory; expected a file"):
        prepare("fashion_mnist", tmp_path / "store", tmp_path)
