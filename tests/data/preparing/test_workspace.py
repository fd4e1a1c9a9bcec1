from __future__ import annotations

from pathlib import Path

import pytest

from care_bench.data.preparing.workspace import locked
from care_bench.errors import CareBenchError
from tests.data.killing import python

LOCK = "import sys; from pathlib import Path; from care_bench.data.preparing.workspace import locked\n"
HOLD = f"{LOCK}with locked(Path(sys.argv[1])): pass"
DIE = f"{LOCK}import os\nwith locked(Path(sys.argv[1])): os.kill(os.getpid(), 9)"


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path / "w"):
        other = python("-c", HOLD, tmp_path / "w")
    assert other.returncode != 0
    assert f"CareBenchError: another process is preparing {tmp_path}/w; expected one at a time" in other.stderr
    assert python("-c", HOLD, tmp_path / "w").returncode == 0


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    assert python("-c", DIE, tmp_path / "w").returncode == -9
    with locked(tmp_path / "w"):
        pass


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(CareBenchError, match=r"cannot write .*file/w: Not a directory; expected a writable folder"),
        locked(tmp_path / "file" / "w"),
    ):
        pass
