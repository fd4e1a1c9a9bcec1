"""Raw data with other files than a data set was prepared from is refused; the same files are read once."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from care_bench.data import DATASETS, DatasetInfo, prepare
from care_bench.data.preparing import inventory
from care_bench.data.preparing.imagenet_files import class_files
from care_bench.errors import CareBenchError


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: DatasetInfo) -> Path:
    """A folder of raw data with two files that the data set "tiny" is made from, written a while ago."""
    info = replace(tiny, originals=lambda folder: {path.name: path for path in sorted(folder.glob("*.txt"))})
    monkeypatch.setitem(DATASETS, "tiny", info)
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as written a while ago."""
    now = time.time
    monkeypatch.setattr(inventory.time, "time", lambda: now() + 10)


def complaint(root: Path, raw: Path) -> str:
    with pytest.raises(CareBenchError) as error:
        prepare("tiny", root, raw)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_other_files_are_named(tmp_path: Path, raw: Path) -> None:
    folder = prepare("tiny", tmp_path / "store", raw)
    (raw / "a.txt").write_text("longer than before")
    for name in ("c.txt", "d.txt", "e.txt"):
        (raw / name).write_text("")
    (raw / "b.txt").unlink()
    assert complaint(tmp_path / "store", raw) == (
        f"{folder} was prepared from other files than {raw} holds: 3 new (c.txt, d.txt, ...), 1 missing (b.txt), "
        f"1 changed (a.txt); expected the same files, or delete {folder} to prepare it from these"
    )
    shutil.rmtree(folder)
    prepare("tiny", tmp_path / "store", raw)
    assert prepare("tiny", tmp_path / "store", raw) == folder


@pytest.mark.usefixtures("later")
def test_an_edit_of_the_same_size_is_noticed(tmp_path: Path, raw: Path) -> None:
    prepare("tiny", tmp_path / "store", raw)
    status = (raw / "a.txt").stat()
    (raw / "a.txt").write_text("A.txt")
    os.utime(raw / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "1 changed (a.txt)" in complaint(tmp_path / "store", raw)


@pytest.mark.usefixtures("later")
def test_the_same_files_are_hashed_once_wherever_they_are(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "store"
    prepare("tiny", root, raw)
    copy = Path(shutil.copytree(raw, tmp_path / "copy"))
    hashed: list[Path] = []
    whole = inventory.sha256_of
    monkeypatch.setattr(inventory, "sha256_of", lambda path, expected: (hashed.append(path), whole(path, expected))[1])
    prepare("tiny", root, raw)
    assert hashed == []
    for _ in range(2):
        prepare("tiny", root, copy)
    assert sorted(hashed) == [copy / "a.txt", copy / "b.txt"]
    (copy / "a.txt").write_text("another size")
    assert "1 changed" in complaint(root, copy)
    assert len(hashed) == 2, "sizes tell enough"


def test_nothing_is_compared_without_raw_data_or_without_a_list(tmp_path: Path, raw: Path) -> None:
    folder = prepare("tiny", tmp_path / "store", raw)
    for other in (tmp_path / "absent", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert prepare("tiny", tmp_path / "store", other) == folder
    (folder / "originals.json").unlink()  # prepared by an older version
    (raw / "c.txt").write_text("")
    assert prepare("tiny", tmp_path / "store", raw) == folder


def test_a_damaged_list_is_one_line(tmp_path: Path, raw: Path) -> None:
    folder = prepare("tiny", tmp_path / "store", raw)
    (folder / "originals.json").write_text('{"a.txt": 3}')
    said = complaint(tmp_path / "store", raw)
    assert said.startswith(f"{folder / 'originals.json'} ")
    assert said.endswith(f"expected the files that tiny was prepared from; delete {folder} to prepare it again")


def test_files_that_were_left_out_may_be_repaired(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, tiny: DatasetInfo
) -> None:
    info = replace(DATASETS["tiny"], build=lambda where: replace(tiny.build(where), skipped=("b.txt",)))
    monkeypatch.setitem(DATASETS, "tiny", info)
    (raw / "b.txt").chmod(0)
    folder = prepare("tiny", tmp_path / "store", raw, skip_broken=True)
    (raw / "b.txt").chmod(0o600)
    (raw / "b.txt").write_text("repaired")
    assert prepare("tiny", tmp_path / "store", raw, skip_broken=True) == folder
    with pytest.raises(CareBenchError, match="leaving out 1 broken files"):
        prepare("tiny", tmp_path / "store", raw)


def test_images_in_class_folders_have_the_names_of_those_left_out(tmp_path: Path) -> None:
    for name in ("train/n01/n01_5.JPEG", "val/n01/ILSVRC2012_val_00000001.JPEG", "train/n02/n02_5.JPEG"):
        (tmp_path / "imagenet" / name).parent.mkdir(parents=True)
        (tmp_path / "imagenet" / name).touch()
    assert set(class_files(tmp_path, ["n01"])) == {"n01/n01_5.JPEG", "n01/ILSVRC2012_val_00000001.JPEG"}
    assert class_files(tmp_path / "archives", ["n01"]) == {}
