from __future__ import annotations

import hashlib
import json
import resource
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from care_bench import files
from care_bench.data import DATASETS, Built, DatasetInfo, Raw, SplitArrays, load, prepare
from care_bench.data.preparing import store as store_module
from care_bench.errors import CareBenchError
from tests.data.conftest import RAW, TINY_FILES
from tests.data.formats import tree

pytestmark = pytest.mark.usefixtures("tiny")


def register(monkeypatch: pytest.MonkeyPatch, info: DatasetInfo, built: Built, **changes: Any) -> None:
    """Make ``built`` the content of the data set "tiny"."""
    monkeypatch.setitem(DATASETS, "tiny", replace(info, build=lambda raw: built, **changes))


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Refuse writes beyond ``size`` bytes of a file, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["digits", "tinted_digits", "proteins"])
def test_meta_describes_every_file(store: Path, name: str) -> None:
    folder = store / name
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["name"] == name
    assert meta["kind"] == DATASETS[name].kind
    assert all(meta[key] for key in ("inputs", "source", "licence"))
    assert {path.name for path in folder.iterdir()} == {*meta["files"], "meta.json"}
    for file, entry in meta["files"].items():
        content = (folder / file).read_bytes()
        array = np.load(folder / file, allow_pickle=False)
        assert entry == {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "shape": list(array.shape),
            "dtype": str(array.dtype),
        }
        assert len(array) == meta["split"][file.split("_")[0]]


@pytest.mark.parametrize("name", ["digits", "tinted_digits", "proteins"])
def test_preparing_twice_gives_the_same_bytes(store: Path, tmp_path: Path, name: str) -> None:
    folder = prepare(name, tmp_path / "new" / "root")
    assert folder == tmp_path / "new" / "root" / name
    assert tree(folder) == tree(store / name)
    assert [path.name for path in folder.parent.iterdir()] == [name]


def test_preparing_an_intact_store_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: DatasetInfo
) -> None:
    folder = prepare("tiny", tmp_path)
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    monkeypatch.setitem(DATASETS, "tiny", replace(tiny, build=lambda raw: pytest.fail("built again")))
    assert prepare("tiny", tmp_path) == folder
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == before


def test_store_with_other_labels_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: DatasetInfo) -> None:
    prepare("tiny", tmp_path)
    now = tiny.build(RAW)
    train, test = (SplitArrays(split.inputs, {"mass": split.labels["weight"]}) for split in now.splits.values())
    register(monkeypatch, tiny, replace(now, train=train, test=test), labels=("mass",), version=2)
    folder = prepare("tiny", tmp_path)
    assert {path.name for path in folder.iterdir()} == {name.replace("weight", "mass") for name in TINY_FILES}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_non_finite_number_in_the_source_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float, tiny: DatasetInfo
) -> None:
    built = tiny.build(RAW)
    built.train.inputs[7, 1, 2] = built.train.inputs[8, 0, 0] = bad
    register(monkeypatch, tiny, built)
    with pytest.raises(CareBenchError, match=rf"'tiny'.*train_inputs\[7, 1, 2\] = {bad}, expected finite numbers"):
        prepare("tiny", tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_unknown_name_suggests_the_nearest(tmp_path: Path) -> None:
    for action in (prepare, load):
        with pytest.raises(CareBenchError, match="unknown data set 'digit': did you mean 'digits'"):
            action("digit", tmp_path)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_root_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CareBenchError, match=r"cannot write .*tiny: .*expected a writable folder") as error:
        prepare("tiny", tmp_path / place)
    assert "\n" not in str(error.value)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("limit", [8000, 12_100])  # the inputs have 12,128 bytes
def test_full_disk_leaves_nothing_half_written(tmp_path: Path, limit: int) -> None:
    with (
        file_size_limit(limit),
        pytest.raises(CareBenchError, match=r"cannot write .*expected a writable folder with space"),
    ):
        prepare("tiny", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_the_damaged_store_as_it_was(tmp_path: Path) -> None:
    folder = prepare("tiny", tmp_path)
    (folder / "train_label_weight.npy").unlink()
    before = tree(folder)
    with file_size_limit(8000), pytest.raises(CareBenchError, match="cannot write"):
        prepare("tiny", tmp_path)
    assert tree(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_interrupted_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store_module, "write_npy", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare("tiny", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_waits_and_finds_the_data_set_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: DatasetInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    """A thread stands for the second process: a lock on a folder belongs to whoever has opened it."""
    waits = threading.Event()
    real = files.holder

    def holder(descriptor: int) -> str:
        found = real(descriptor)
        waits.set()
        return found

    monkeypatch.setattr(files, "holder", holder)
    second = threading.Thread(target=prepare, args=("tiny", tmp_path))
    built: list[int] = []

    def build(raw: Raw) -> Built:
        built.append(len(built))
        second.start()
        assert waits.wait(30)
        return tiny.build(RAW)

    monkeypatch.setitem(DATASETS, "tiny", replace(tiny, build=build))
    prepare("tiny", tmp_path)
    second.join()
    assert built == [0]
    assert capsys.readouterr().err.startswith("waiting for process ")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


@pytest.mark.parametrize("there", ["whole", "damaged", "moved aside"])
def test_what_a_killed_process_has_left_is_removed(tmp_path: Path, there: str) -> None:
    folder = prepare("tiny", tmp_path)
    before = tree(folder)
    aside = tmp_path / ".tiny.part"
    (aside / "new").mkdir(parents=True)
    (aside / "new/train_inputs.npy").write_bytes(b"half")
    (tmp_path / ".tiny.partial").mkdir()
    if there == "damaged":
        (folder / "meta.json").unlink()
        shutil.copytree(folder, aside / "old")
    elif there == "moved aside":
        folder.rename(aside / "old")
    prepare("tiny", tmp_path)
    assert tree(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_data_set_that_was_moved_aside_is_put_back_if_the_next_attempt_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: DatasetInfo
) -> None:
    folder = prepare("tiny", tmp_path)
    (folder / "meta.json").unlink()
    before = tree(folder)
    (tmp_path / ".tiny.part").mkdir()
    folder.rename(tmp_path / ".tiny.part/old")

    def fail(raw: Raw) -> Built:
        raise CareBenchError("no raw data")

    monkeypatch.setitem(DATASETS, "tiny", replace(tiny, build=fail))
    with pytest.raises(CareBenchError, match=r"^tiny: no raw data$"):
        prepare("tiny", tmp_path)
    assert tree(tmp_path) == {f"tiny/{name}": content for name, content in before.items()}


def test_a_store_without_broken_files_does_not_count_as_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: DatasetInfo
) -> None:
    built = tiny.build(RAW)
    register(monkeypatch, tiny, replace(built, skipped=("a.cif", "b.cif")))
    folder = prepare("tiny", tmp_path, skip_broken=True)
    before = tree(folder)
    register(monkeypatch, tiny, built)  # the files were repaired
    with pytest.raises(CareBenchError) as error:
        prepare("tiny", tmp_path)
    assert str(error.value) == (
        f"{folder} was prepared leaving out 2 broken files (named in {folder}/meta.json); delete {folder} to read the "
        "raw files again, or pass --skip-broken to keep it"
    )
    prepare("tiny", tmp_path, skip_broken=True)
    assert tree(folder) == before
    assert load("tiny", tmp_path).meta["skipped"] == ["a.cif", "b.cif"]
    shutil.rmtree(folder)
    for _ in range(2):
        assert "skipped" not in json.loads((prepare("tiny", tmp_path) / "meta.json").read_text())


def test_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "thesis.tex").write_text("mine")
    with pytest.raises(CareBenchError, match=r"thesis\.tex is not part of a data set; move it elsewhere"):
        prepare("tiny", tmp_path)
    assert tree(tmp_path / "tiny") == {"thesis.tex": b"mine"}


def test_file_in_the_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tiny").write_text("mine")
    with pytest.raises(CareBenchError, match="expected a folder"):
        prepare("tiny", tmp_path)
    assert (tmp_path / "tiny").read_text() == "mine"


def test_linked_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "tiny").symlink_to(tmp_path / "big" / "tiny")
    prepare("tiny", tmp_path / "root")
    assert (tmp_path / "root" / "tiny").is_symlink()
    assert {path.name for path in (tmp_path / "big" / "tiny").iterdir()} == TINY_FILES


@pytest.mark.parametrize("rows", [slice(3, None), slice(None, None, -1)])
def test_some_rows_of_a_memory_map_are_stored_without_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: DatasetInfo, rows: slice
) -> None:
    whole = tiny.build(RAW)

    def build(raw: Raw) -> Built:
        raw.workspace.mkdir(parents=True, exist_ok=True)
        np.save(raw.workspace / "all.npy", whole.train.inputs)
        inputs = np.load(raw.workspace / "all.npy", mmap_mode="r")[rows]
        labels = {name: label[rows] for name, label in whole.train.labels.items()}
        return replace(whole, train=SplitArrays(inputs, labels))

    monkeypatch.setitem(DATASETS, "tiny", replace(tiny, build=build))
    prepare("tiny", tmp_path)
    np.testing.assert_array_equal(load("tiny", tmp_path).train.inputs, whole.train.inputs[rows])


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"inputs": np.zeros((500, 2, 3))}, "inputs are float64"),
        ({"inputs": np.zeros((500, 6), dtype=np.float32)}, r"inputs are float32 \(500, 6\)"),
        ({"inputs": np.zeros((0, 2, 3), dtype=np.float32)}, r"inputs are float32 \(0, 2, 3\)"),
        ({"inputs": np.zeros((500, 5, 3), dtype=np.float32)}, r"train is \(500, 5, 3\), test is \(50, 2, 3\)"),
        ({"labels": {}}, r"labels are \[\], not \['weight'\]"),
        ({"labels": {"weight": np.zeros(500)}}, "label weight is float64"),
        ({"labels": {"weight": np.zeros(500, dtype=object)}}, "label weight is object"),
        ({"labels": {"weight": np.zeros(499, dtype=np.float32)}}, "has 499 rows for 500 inputs"),
    ],
)
def test_a_source_that_returns_invalid_arrays_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], found: str, tiny: DatasetInfo
) -> None:
    built = tiny.build(RAW)
    register(monkeypatch, tiny, replace(built, train=replace(built.train, **changes)))
    with pytest.raises(ValueError, match=found):
        prepare("tiny", tmp_path / "root")
    assert not (tmp_path / "root").exists()
