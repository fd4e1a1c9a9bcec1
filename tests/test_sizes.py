"""A file does one thing: past 300 lines it does two."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST = 300


@pytest.mark.parametrize("folder", ["care_bench", "tests"])
def test_no_file_is_long(folder: str) -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert lines
    assert {str(path.relative_to(ROOT)): number for path, number in lines.items() if number > MOST} == {}
