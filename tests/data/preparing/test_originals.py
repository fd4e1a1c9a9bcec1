"""Missing and damaged files of every data set of torchvision."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torchvision.datasets.utils

from care_bench.data import DATASETS, prepare
from care_bench.data.preparing import store
from care_bench.errors import CareBenchError
from tests.data import formats
from tests.data.formats import failure, tree
from tests.faults.damage import REPLACEMENTS

pytestmark = pytest.mark.usefixtures("read_in_threads")

NEEDED = {  # a file that the data set needs
    "cifar10": "cifar-10-batches-py/data_batch_3",
    "cifar100": "cifar-100-python/meta",
    "stl10": "stl10_binary/unlabeled_X.bin",
    "flowers102": "flowers-102/imagelabels.mat",
    "fashion_mnist": "FashionMNIST/raw/train-images-idx3-ubyte.gz",
    "tinted_fashion_mnist": "FashionMNIST/raw/t10k-labels-idx1-ubyte.gz",
}
PACKED = sorted(formats.ARCHIVES)
PAGES = {
    "cifar10": "https://www.cs.toronto.edu/~kriz/cifar.html",
    "cifar100": "https://www.cs.toronto.edu/~kriz/cifar.html",
    "stl10": "https://cs.stanford.edu/~acoates/stl10/",
    "flowers102": "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
    "fashion_mnist": "https://github.com/zalandoresearch/fashion-mnist",
    "tinted_fashion_mnist": "https://github.com/zalandoresearch/fashion-mnist",
}
ARCHIVE_MD5 = {  # as published
    "cifar10": "c58f30108f718f92721af3b95e74349a",
    "cifar100": "eb9058c3a382ffc7106e4002c42a8d85",
    "stl10": "91f7769df0f17e558f3565bffb0c7dfb",
}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.mark.parametrize("name", sorted(NEEDED))
@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
def test_damaged_file_is_named_and_left_alone(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
) -> None:
    formats.written_set(monkeypatch, name, raw)
    path = raw / NEEDED[name]
    expected, content = formats.md5(path), path.read_bytes()
    half = len(content) // 2
    flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    path.write_bytes({"flipped": flipped, "truncated": content[:half], "empty": b""}[damage])
    before = tree(raw)
    found = failure(name, tmp_path)
    assert f"{path} is truncated or changed: " in found
    assert f"delete it, or replace it by the one of {PAGES[name]}" in found
    if "fashion" not in name:  # the checksum is that of the unpacked content
        size = len(path.read_bytes())
        assert f"{size} bytes with md5 {formats.md5(path)}, expected md5 {expected}" in found
    assert tree(raw) == before


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_missing_file_without_network(tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    formats.written_set(monkeypatch, name, raw)
    checksum = formats.md5(raw / NEEDED[name])
    (raw / NEEDED[name]).unlink()
    found = failure(name, tmp_path)
    assert f"{raw / NEEDED[name]} is missing" in found
    assert "no network" in found
    if name in formats.ARCHIVES and name != "flowers102":
        where, checksum = raw / formats.ARCHIVES[name][0], ARCHIVE_MD5[name]
    else:
        where = raw / NEEDED[name]
    assert f"expected, from {PAGES[name]}: {where} (md5 {checksum})" in found


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("flowers102", ["flowers-102/102flowers.tgz", "flowers-102/imagelabels.mat", "flowers-102/setid.mat"]),
        (
            "fashion_mnist",
            [f"FashionMNIST/raw/{file}.gz" for file in formats.fashion_mnist.MD5],
        ),
    ],
)
def test_all_missing_files_are_named_at_once(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str, files: list[str]
) -> None:
    formats.cut_network(monkeypatch)
    found = failure(name, tmp_path)
    for file in files:
        assert f"{raw / file} (md5 " in found


def test_published_checksums_are_those_of_torchvision() -> None:
    assert dict(torchvision.datasets.Flowers102._file_dict.values()) == formats.flowers102.MD5


@pytest.mark.parametrize("name", PACKED)
def test_archive_is_unpacked_elsewhere(tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    formats.written_set(monkeypatch, name, raw)
    whole = tmp_path / "whole"
    prepare(name, whole, raw)
    formats.pack(monkeypatch, name, raw)
    before = tree(raw)
    prepare(name, tmp_path / "store", raw)
    assert tree(tmp_path / "store") == tree(whole)
    assert tree(raw) == before
    assert [path.name for path in (tmp_path / "store").iterdir()] == [name]


@pytest.mark.parametrize("name", PACKED)
def test_an_incomplete_folder_next_to_its_archive(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    formats.written_set(monkeypatch, name, raw)
    before = tree(raw)
    formats.pack(monkeypatch, name, raw)
    archive, content = formats.ARCHIVES[name]
    folder = (raw / archive).parent / content
    kept = [path for path in sorted(before) if (raw / path).is_relative_to(folder)][1:]
    for path in kept:
        (raw / path).parent.mkdir(exist_ok=True)
        (raw / path).write_bytes(before[path])
    prepare(name, tmp_path / "store", raw)
    assert [path for path in sorted(tree(raw)) if (raw / path).is_relative_to(folder)] == kept


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_truncated_archive(tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str, keep: float) -> None:
    formats.written_set(monkeypatch, name, raw)
    archive = formats.pack(monkeypatch, name, raw)
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * keep)])
    found = failure(name, tmp_path)
    assert f"{archive} is truncated or changed: {archive.stat().st_size} bytes with md5" in found


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_prepared_data_set_does_not_need_its_raw_data(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    formats.written_set(monkeypatch, name, raw)
    folder = prepare(name, tmp_path / "store", raw)
    before = tree(folder)
    monkeypatch.setitem(DATASETS, name, replace(DATASETS[name], build=lambda raw: pytest.fail("built again")))
    prepare(name, tmp_path / "store", tmp_path / "nowhere")
    assert tree(folder) == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_meta_describes_the_source(tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    formats.written_set(monkeypatch, name, raw)
    meta = json.loads((prepare(name, tmp_path / "store", raw) / "meta.json").read_text())
    counts = formats.COUNTS[name]
    test = counts.get("test", counts.get("tstid"))
    assert meta["split"]["test"] == test
    assert meta["split"]["train"] == sum(counts.values()) - test
    assert PAGES[name] in meta["source"]
    assert PAGES[name] in DATASETS[name].how_to_get
    assert meta["licence"] == ("MIT" if "fashion" in name else "not stated by its authors")
    assert "skipped" not in meta
    assert str(tmp_path) not in json.dumps(meta)


@pytest.mark.parametrize("name", sorted(NEEDED))
@pytest.mark.parametrize("kind", ["a named pipe", "a folder", "a dangling link"])
def test_what_is_not_a_regular_file_is_one_line(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    formats.written_set(monkeypatch, name, raw)
    REPLACEMENTS[kind](raw / NEEDED[name])
    assert f"{raw / NEEDED[name]}: " in failure(name, tmp_path)


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("kind", ["flipped", "cut", "missing", "a named pipe", "a folder", "a dangling link"])
def test_a_damaged_unpacked_file_alone_is_unpacked_again(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    formats.written_set(monkeypatch, name, raw)
    whole = prepare(name, tmp_path / "whole", raw)
    formats.pack(monkeypatch, name, raw)
    stop_before_storing(monkeypatch, name, tmp_path / "store", raw)
    unpacked = tmp_path / "store" / f".{name}.partial" / "unpacked"
    files = sorted(path for path in unpacked.rglob("*") if path.is_file() and "README" not in path.name)
    path, content = files[0], files[0].read_bytes()
    before = {other: other.stat().st_mtime_ns for other in files[1:]}
    if kind in ("flipped", "cut"):
        path.write_bytes(content[:-1] + (bytes([content[-1] ^ 1]) if kind == "flipped" else b""))
    elif kind == "missing":
        path.unlink()
    else:
        REPLACEMENTS[kind](path)
    stop_before_storing(monkeypatch, name, tmp_path / "store", raw)
    assert path.read_bytes() == content
    assert {other: other.stat().st_mtime_ns for other in files[1:]} == before
    prepare(name, tmp_path / "store", raw)
    assert tree(tmp_path / "store" / name) == tree(whole)


@pytest.mark.parametrize("notes", [b"", b"[]", b"[" * 100_000, b'{"flowers-102/jpg/image_00001.jpg": 7}'])
def test_damaged_notes_on_unpacked_files_are_made_again(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, notes: bytes
) -> None:
    formats.written_set(monkeypatch, "flowers102", raw)
    formats.pack(monkeypatch, "flowers102", raw)
    stop_before_storing(monkeypatch, "flowers102", tmp_path / "store", raw)
    path = tmp_path / "store/.flowers102.partial/unpacked.json"
    content = path.read_bytes()
    path.write_bytes(notes)
    stop_before_storing(monkeypatch, "flowers102", tmp_path / "store", raw)
    assert path.read_bytes() == content


def stop_before_storing(monkeypatch: pytest.MonkeyPatch, name: str, root: Path, raw: Path) -> None:
    """Prepare a data set, and interrupt it when the source has built it."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "_write_files", interrupt)
        with pytest.raises(KeyboardInterrupt):
            prepare(name, root, raw)


@pytest.mark.parametrize("name", PACKED)
def test_workspace_that_cannot_be_written(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    formats.written_set(monkeypatch, name, raw)
    formats.pack(monkeypatch, name, raw)
    (tmp_path / "store").write_text("mine")
    with pytest.raises(CareBenchError, match=r"cannot write .*: .*; expected a writable folder"):
        prepare(name, tmp_path / "store", raw)
    assert (tmp_path / "store").read_text() == "mine"
