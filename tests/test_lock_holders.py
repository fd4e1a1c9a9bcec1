"""Locks of folders that several machines share: those of other machines are known by a file in the folder alone."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from care_bench import files, lock_holders
from care_bench.data.preparing import store
from care_bench.errors import CareBenchError
from care_bench.files import LOCK, locked

MOUNTED = "{place} 35 {device} / /shared rw,noatime shared:1 master:2 - {kind} server:/export rw\n"


@contextmanager
def another_machine(folder: Path) -> Iterator[Path]:
    """Hold the lock that a process of another machine holds; of that on the folder this machine knows nothing."""
    folder.mkdir(exist_ok=True)
    path = folder / LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield path
    finally:
        os.close(descriptor)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "shared_by_machines", lambda descriptor: True)


@pytest.mark.parametrize(
    ("kind", "expected"), [("nfs4", True), ("lustre", True), ("fuse.sshfs", True), ("ext4", False), ("tmpfs", False)]
)
def test_the_system_says_what_machines_share(
    kind: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path.stat().st_dev
    mine = MOUNTED.format(place=1, device=f"{os.major(device)}:{os.minor(device)}", kind=kind)
    (tmp_path / "mountinfo").write_text(MOUNTED.format(place=2, device="7:77", kind="nfs4") + mine)
    monkeypatch.setattr(lock_holders, "MOUNTS", tmp_path / "mountinfo")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    assert lock_holders.shared_by_machines(descriptor) is expected
    monkeypatch.setattr(lock_holders, "MOUNTS", tmp_path / "absent")
    assert lock_holders.shared_by_machines(descriptor) is False
    os.close(descriptor)


def test_another_machine_is_kept_out(tmp_path: Path, shared: None) -> None:
    folder = tmp_path / "run"
    with (
        another_machine(folder),
        pytest.raises(CareBenchError, match=r" is working on .*/run; expected one at a time"),
        locked(folder),
    ):
        raise AssertionError
    with locked(folder):
        assert (folder / LOCK).exists()
        with pytest.raises(CareBenchError, match=r"process \d+ .* is working on"), locked(folder):
            raise AssertionError
    assert not list(folder.iterdir()), "the file is gone with the lock"


def test_whoever_waits_takes_the_lock_of_the_file_that_is_there_then(tmp_path: Path, shared: None) -> None:
    """The holder removes the file before it ends, so that the lock of the removed one keeps nobody out."""
    folder, inside, leave = tmp_path / "run", threading.Event(), threading.Event()

    def work() -> None:
        with locked(folder, wait=True):
            inside.set()
            leave.wait(60)

    with another_machine(folder) as path:
        waiting = threading.Thread(target=work)
        waiting.start()
        assert not inside.wait(0.3)
        path.unlink()
    assert inside.wait(60)
    with pytest.raises(CareBenchError, match="expected one at a time"), locked(folder):
        raise AssertionError
    leave.set()
    waiting.join(60)
    assert not list(folder.iterdir())


def test_a_folder_of_this_machine_alone_has_no_file(tmp_path: Path) -> None:
    with locked(tmp_path / "run"):
        assert not list((tmp_path / "run").iterdir())


def test_preparing_data_cleans_up_and_keeps_its_lock(tmp_path: Path, shared: None) -> None:
    place = tmp_path / "digits"
    with store._alone(place) as aside:
        assert [path.name for path in aside.iterdir()] == [LOCK]
        (aside / "left").write_text("")
        with another_machine_is_refused(aside):
            pass
    assert not list(tmp_path.iterdir())


@contextmanager
def another_machine_is_refused(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / LOCK, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
    yield
