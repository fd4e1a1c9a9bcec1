"""A fork is what ``python -m`` is: its folder, path, environment, output and exit code; nothing stays for the next."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.forks import run_forked

SAYS = """
import os, sys
assert __name__ == "__main__" and "care_bench" not in sys.modules
import beside
print(os.getcwd(), os.environ["SAID"], beside.NUMBER, *sys.argv[1:])
beside.NUMBER += 1
print("wrong", file=sys.stderr)
sys.exit(3)
"""


def test_a_fork_behaves_like_a_fresh_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAID", "yes")
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "beside.py").write_text("NUMBER = 1")
    (tmp_path / "says.py").write_text(SAYS)
    for _ in range(2):
        ended = run_forked("says", 7, cwd=tmp_path, path=(extra,))
        assert ended == (3, f"{tmp_path} yes 1 7\n", "wrong\n")


def test_an_error_and_a_signal_have_their_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text("raise ValueError('no')")
    (tmp_path / "dies.py").write_text("import os; os.kill(os.getpid(), 9)")
    ended = run_forked("fails", cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.endswith("ValueError: no\n")
    assert run_forked("dies", cwd=tmp_path).returncode == -signal.SIGKILL
