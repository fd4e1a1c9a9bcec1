"""Every failure of decoding a file is one line."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from care_bench.errors import CareBenchError
from care_bench.untrusted import absent, decoding, read_bytes, read_json

EXPECTED = "expected the summary of a run"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("line 1\nline 2"), "a.bin is damaged: line 1 line 2; "),
        (IndexError(), "a.bin is damaged: IndexError; "),
        (KeyError("name"), "a.bin is damaged: it lacks 'name'; "),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "a.bin is damaged: byte 0 is not UTF-8; "),
        (RecursionError("maximum recursion depth exceeded"), "a.bin is damaged: it is nested too deeply; "),
        (MemoryError(), "cannot read a.bin: not enough memory; "),
        (RuntimeError("realloc of size 64 failed"), "cannot read a.bin: not enough memory; "),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot read a.bin: Permission denied; "),
        (OSError("not an archive"), "a.bin is damaged: not an archive; "),
    ],
)
def test_any_error_becomes_one_line(error: Exception, line: str) -> None:
    with pytest.raises(CareBenchError, match=f"^{re.escape(line + EXPECTED)}$"), decoding("a.bin", EXPECTED):
        raise error


def test_our_own_errors_and_interrupts_pass_unchanged() -> None:
    for error in (CareBenchError("already a line"), KeyboardInterrupt(), SystemExit(3)):
        with pytest.raises(type(error)) as caught, decoding("a.bin", EXPECTED):
            raise error
        assert caught.value is error


def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CareBenchError, match=r"cannot read .*pipe: it is not a regular file; expected"):
        read_bytes(tmp_path / "pipe", EXPECTED)


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1, null]}')
    assert read_json(path, EXPECTED) == {"a": [1, None]}
    path.write_text("[" * 100_000)
    with pytest.raises(CareBenchError, match="nested too deeply"):
        read_json(path, EXPECTED)
    path.unlink()
    with pytest.raises(CareBenchError, match=r"cannot read .*a.json: No such file or directory"):
        read_json(path, EXPECTED)


def test_only_what_is_not_there_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    found = {
        name: absent(tmp_path / name) for name in ("file", "link", "loop", "link/x", "loop/x", "file/x", "no", "no/x")
    }
    assert [name for name, gone in found.items() if gone] == ["no", "no/x"]

    def refuse(path: Path) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", refuse)
    assert not absent(tmp_path / "no")
