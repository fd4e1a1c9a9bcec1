"""A file does one thing: past 300 lines it does two. Nothing else lies beside the files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST = 300


@pytest.mark.parametrize("folder", ["care_bench", "tests"])
def test_no_file_is_long(folder: str) -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert lines
    assert {str(path.relative_to(ROOT)): number for path, number in lines.items() if number > MOST} == {}


def test_nothing_lies_at_the_top_that_does_not_belong_there() -> None:
    """What a command has written into the working folder is soon committed with the rest."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git repository: an archive of the files")
    files = {".gitignore", "CITATION.cff", "LICENSE", "Makefile", "README.md", "Snakefile", "pyproject.toml"}
    folders = {"benchmarks", "care_bench", "docs", "requirements", "results", "tests", "theory_checks", "workflows"}
    assert {Path(name).parts[0] for name in listed.stdout.splitlines()} <= files | folders | {".ci"}
