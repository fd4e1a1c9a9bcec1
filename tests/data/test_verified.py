"""Every byte of a prepared data set is compared with its checksum once per machine and content, or when asked."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from care_bench.data import load, prepare, verified
from care_bench.errors import CareBenchError
from tests.data.conftest import TINY_FILES

ARRAYS = len(TINY_FILES) - 1
Count = Callable[..., int]


@pytest.fixture(autouse=True)
def _settled(tiny: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled as soon as they are written."""
    monkeypatch.setattr(verified, "SETTLED", -10.0)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Count:
    """A function that loads a data set and returns how many files were hashed."""
    seen: list[object] = []
    digest = hashlib.file_digest

    def counted(file: object, algorithm: str) -> object:
        seen.append(file)
        return digest(file, algorithm)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", counted)

    def count(root: Path, verify: bool = False, name: str = "tiny") -> int:
        seen.clear()
        load(name, root, verify)
        return len(seen)

    return count


def stamp(root: Path) -> Path:
    return root / ".tiny.verified"


def change(path: Path, keep_times: bool = False) -> None:
    """Change the last byte of a file."""
    before = path.stat()
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    times = (before.st_atime_ns, before.st_mtime_ns + (0 if keep_times else 10**9))
    os.utime(path, ns=times)


def test_files_are_hashed_once(tmp_path: Path, hashed: Count) -> None:
    prepare("tiny", tmp_path)
    assert [hashed(tmp_path), hashed(tmp_path), hashed(tmp_path, verify=True), hashed(tmp_path)] == [
        ARRAYS,
        0,
        ARRAYS,
        0,
    ]
    stamp(tmp_path).unlink()
    assert [hashed(tmp_path), hashed(tmp_path)] == [ARRAYS, 0]
    first, again = load("tiny", tmp_path, verify=True), load("tiny", tmp_path)
    assert (first.train.inputs == again.train.inputs).all()
    assert first.sha256 == again.sha256


@pytest.mark.parametrize("keep_times", [False, True], ids=["later", "time of change set back"])
@pytest.mark.parametrize("file", sorted(TINY_FILES - {"meta.json"}))
def test_a_changed_byte_is_found(file: str, keep_times: bool, tmp_path: Path, hashed: Count) -> None:
    folder = prepare("tiny", tmp_path)
    assert hashed(tmp_path) == ARRAYS
    change(folder / file, keep_times)
    with pytest.raises(CareBenchError, match=rf"{file} is changed: sha256 .*; repair it with: care-bench prepare tiny"):
        load("tiny", tmp_path)
    prepare("tiny", tmp_path)
    assert [hashed(tmp_path), hashed(tmp_path)] == [ARRAYS, 0]


def test_files_that_may_change_unseen_are_hashed_every_time(
    tmp_path: Path, hashed: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified, "SETTLED", 1000.0)
    prepare("tiny", tmp_path)
    assert [hashed(tmp_path), hashed(tmp_path)] == [ARRAYS, ARRAYS]
    assert not stamp(tmp_path).exists()


def test_a_change_that_leaves_no_trace_is_found_when_asked(
    tmp_path: Path, hashed: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that loses bits."""
    folder = prepare("tiny", tmp_path)
    monkeypatch.setattr("care_bench.data.verified.versions", lambda folder, names: dict.fromkeys(names, "1"))
    assert [hashed(tmp_path), hashed(tmp_path)] == [ARRAYS, 0]
    change(folder / "train_inputs.npy")
    assert hashed(tmp_path) == 0
    with pytest.raises(CareBenchError, match="is changed"):
        load("tiny", tmp_path, verify=True)
    with pytest.raises(CareBenchError, match="is changed"):  # nor is it believed from now on
        load("tiny", tmp_path)


def test_prepare_repairs_such_a_change_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = prepare("tiny", tmp_path)
    whole = (folder / "train_inputs.npy").read_bytes()
    monkeypatch.setattr("care_bench.data.verified.versions", lambda folder, names: dict.fromkeys(names, "1"))
    load("tiny", tmp_path)
    change(folder / "train_inputs.npy")
    prepare("tiny", tmp_path, verify=True)
    assert (folder / "train_inputs.npy").read_bytes() == whole


def test_a_copied_store_is_hashed_again(tmp_path: Path, hashed: Count) -> None:
    prepare("tiny", tmp_path / "a")
    assert hashed(tmp_path / "a") == ARRAYS
    shutil.copytree(tmp_path / "a", tmp_path / "b")  # with its times, and the stamp
    assert stamp(tmp_path / "b").exists()
    assert [hashed(tmp_path / "b"), hashed(tmp_path / "b"), hashed(tmp_path / "a")] == [ARRAYS, 0, 0]


def test_another_machine_hashes_again_and_both_are_known(
    tmp_path: Path, hashed: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare("tiny", tmp_path)
    load("tiny", tmp_path)
    here = verified.machine()
    for name, files in (("other", ARRAYS), ("other", 0), (here, 0)):
        monkeypatch.setattr(verified, "machine", lambda name=name: name)
        assert hashed(tmp_path) == files
    monkeypatch.setattr(verified, "MACHINES", 2)
    monkeypatch.setattr(verified, "machine", lambda: "third")
    assert hashed(tmp_path) == ARRAYS
    assert json.loads(stamp(tmp_path).read_text())["machines"] == ["other", "third"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"machines": 3}', "\xff", '{"files": {}, "machines": []}'])
def test_a_damaged_stamp_is_not_believed(content: str, tmp_path: Path, hashed: Count) -> None:
    prepare("tiny", tmp_path)
    stamp(tmp_path).write_bytes(content.encode("latin-1"))
    assert [hashed(tmp_path), hashed(tmp_path)] == [ARRAYS, 0]


def test_a_stamp_of_other_data_is_not_believed(tmp_path: Path, hashed: Count) -> None:
    prepare("tiny", tmp_path)
    load("tiny", tmp_path)
    said = json.loads(stamp(tmp_path).read_text())
    stamp(tmp_path).write_text(json.dumps({**said, "sha256": "0" * 64}))
    assert hashed(tmp_path) == ARRAYS


def test_a_folder_that_cannot_be_written_is_read(tmp_path: Path, hashed: Count) -> None:
    prepare("tiny", tmp_path)
    stamp(tmp_path).mkdir()  # stands for a folder without permission, which root would have
    assert [hashed(tmp_path), hashed(tmp_path), hashed(tmp_path, verify=True)] == [ARRAYS] * 3
    assert list(stamp(tmp_path).iterdir()) == []


def test_processes_that_verify_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    prepare("digits", tmp_path)
    code = (
        "import sys; from pathlib import Path; from care_bench.data import load, verified; verified.SETTLED = -10.0\n"
        "for k in range(40): load('digits', Path(sys.argv[1]), verify=k % 2 == 0)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[1] for process in processes] == [""] * 3
    said = json.loads((tmp_path / ".digits.verified").read_text())
    assert said["machines"] == [verified.machine()]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".digits.verified", "digits"]
