"""Atomic writes: a file is written completely or not at all, and a failure is one line."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from care_bench.errors import CareBenchError, unknown
from care_bench.files import (
    canonical_json,
    locked,
    replacing,
    restore_replaced,
    sha256_bytes,
    sha256_file,
    write_atomic,
    write_json,
    write_text,
)
from care_bench.unwritable import writing
from tests.data.killing import python

LOCK = "import sys; from pathlib import Path; from care_bench.files import locked\n"
HOLD = f"{LOCK}with locked(Path(sys.argv[1])): pass"
DIE = f"{LOCK}import os\nwith locked(Path(sys.argv[1])): os.kill(os.getpid(), 9)"


def test_a_file_is_written_whole_with_its_folders_and_usual_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    umask = os.umask(0o027)
    try:
        write_text(path, "λ")
    finally:
        os.umask(umask)
    assert path.read_bytes() == "λ".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "before")

    def breaks(file: BinaryIO) -> None:
        file.write(b"half")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_atomic(path, breaks)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(CareBenchError, match=f"cannot write {path}: .*expected a writable folder with space left"):
            write_text(path, "x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CareBenchError, match=r"cannot write .*file/below"):
        write_text(tmp_path / "file" / "below", "x")


def test_a_device_is_not_replaced_by_a_file() -> None:
    with pytest.raises(CareBenchError, match="cannot write /dev/null: it is not a regular file"):
        write_text(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()


def test_nan_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_canonical_json_and_hashes(tmp_path: Path) -> None:
    assert canonical_json({"b": [1.5, None], "a": "x"}) == b'{"a":"x","b":[1.5,null]}'
    write_text(tmp_path / "f", "abc")
    # SHA-256 of "abc", FIPS 180-2, appendix B.1.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "f") == sha256_bytes(b"abc") == hashlib.sha256(b"abc").hexdigest() == expected


def test_an_unknown_name_suggests_the_nearest() -> None:
    error = unknown("data set", "digts", ["digits", "proteins"])
    assert str(error) == "unknown data set 'digts': did you mean 'digits'? known: digits, proteins"
    assert error.exit_code == 2
    assert str(unknown("method", "zzz", ["a"])) == "unknown method 'zzz': known: a"


def test_another_process_is_kept_out(tmp_path: Path) -> None:
    with locked(tmp_path / "w"):
        other = python("-c", HOLD, tmp_path / "w")
    assert other.returncode != 0
    line = other.stderr.splitlines()[-1]
    assert f"CareBenchError: process {os.getpid()} (" in line, "the holder is named"
    assert line.endswith(f") is working on {tmp_path}/w; expected one at a time")
    assert python("-c", HOLD, tmp_path / "w").returncode == 0


def test_a_killed_process_keeps_nobody_out(tmp_path: Path) -> None:
    assert python("-c", DIE, tmp_path / "w").returncode == -9
    with locked(tmp_path / "w"):
        pass


def test_a_folder_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    said = r"cannot write .*mine: File exists \(.*mine\); expected a folder there$"
    with pytest.raises(CareBenchError, match=said), locked(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_where_the_system_makes_no_folder_that_is_said(below: str) -> None:
    folder = Path(f"/proc/nope{below}")
    line = r"^cannot write /proc/nope.*: the folder cannot be made in /proc; expected a folder that can be written$"
    with pytest.raises(CareBenchError, match=line), locked(folder):
        pass
    with pytest.raises(CareBenchError, match=line), replacing(folder):
        pass
    with pytest.raises(CareBenchError, match=line):
        write_text(folder / "file", "x")


def test_a_folder_whose_parent_is_deleted_meanwhile(tmp_path: Path) -> None:
    with (
        pytest.raises(CareBenchError, match=r"file: No such file or directory \(.*\); another process has moved, made"),
        writing(tmp_path / "file"),
    ):
        (tmp_path / "gone" / "folder").mkdir()


def test_a_link_that_leads_nowhere_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    said = r"cannot write .*link/below: File exists \(.*link\); expected a folder there$"
    with pytest.raises(CareBenchError, match=said), locked(tmp_path / "link" / "below"):
        pass


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(CareBenchError, match=r"cannot write .*file/w: Not a directory; expected a writable folder"),
        locked(tmp_path / "file" / "w"),
    ):
        pass


WAIT = f"{LOCK}with locked(Path(sys.argv[1]), wait=True): print('in')"


def test_a_process_waits_and_says_for_whom(tmp_path: Path) -> None:
    with locked(tmp_path / "w"):
        command = [sys.executable, "-c", WAIT, str(tmp_path / "w")]
        other = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert other.stderr is not None
        assert f"waiting for process {os.getpid()} (" in other.stderr.readline()
    out, _ = other.communicate(timeout=60)
    assert (out, other.returncode) == ("in\n", 0)


def test_the_file_of_a_killed_writer_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / ".file.part").write_text("half of something longer")
    write_text(tmp_path / "file", "whole")
    assert (tmp_path / "file").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_many_writers_of_one_file_leave_one_of_their_contents(tmp_path: Path) -> None:
    many = "import sys; from pathlib import Path; from care_bench.files import write_text\n"
    many += "for _ in range(50): write_text(Path(sys.argv[1]), sys.argv[2] * 100_000)"
    writers = [subprocess.Popen([sys.executable, "-c", many, str(tmp_path / "file"), letter]) for letter in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert (tmp_path / "file").read_text() in {letter * 100_000 for letter in "abc"}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with replacing(tmp_path / "folder") as folder:
            write_text(folder / name, name)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["folder", "folder/new"]


def _fill_half(folder: Path) -> None:
    assert list(folder.iterdir()) == []
    write_text(folder / "new", "")
    raise CareBenchError("no")


def test_a_folder_that_cannot_be_filled_stays_as_it_was(tmp_path: Path) -> None:
    with replacing(tmp_path / "folder") as folder:
        write_text(folder / "old", "")
    with pytest.raises(CareBenchError, match="no"), replacing(tmp_path / "folder") as folder:
        _fill_half(folder)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["folder", "folder/old"]


def test_a_folder_that_was_moved_aside_by_a_killed_process_comes_back(tmp_path: Path) -> None:
    (tmp_path / ".folder.old").mkdir()
    (tmp_path / ".folder.old" / "kept").write_text("")
    (tmp_path / ".folder.part").mkdir()
    (tmp_path / ".folder.part" / "half").write_text("")
    with pytest.raises(CareBenchError, match="no"), replacing(tmp_path / "folder") as folder:
        _fill_half(folder)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["folder", "folder/kept"]


@pytest.mark.parametrize(("part", "folder", "back"), [(True, False, True), (False, False, False), (True, True, False)])
def test_only_a_folder_that_a_killed_swap_had_moved_aside_is_put_back(
    tmp_path: Path, part: bool, folder: bool, back: bool
) -> None:
    (tmp_path / ".folder.old").mkdir()
    (tmp_path / ".folder.old" / "kept").write_text("")
    if part:
        (tmp_path / ".folder.part").mkdir()
    if folder:
        (tmp_path / "folder").mkdir()
    restore_replaced(tmp_path)
    assert (tmp_path / "folder" / "kept").exists() == back
    assert (tmp_path / ".folder.old").exists() != back


def test_a_file_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(CareBenchError, match="file: it is not a folder that can be replaced"),
        replacing(tmp_path / "file"),
    ):
        pass
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "mine")]


def test_a_swap_whose_second_half_fails_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with replacing(tmp_path / "folder") as new:
        write_text(new / "old", "")
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name == ".folder.part":
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with (
        pytest.raises(CareBenchError, match=r"cannot write .*folder: Input/output error"),
        replacing(tmp_path / "folder"),
    ):
        pass
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["folder", "folder/old"]
