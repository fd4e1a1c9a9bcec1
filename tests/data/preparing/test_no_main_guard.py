"""A script that prepares a data set needs no main guard, although workers read its files."""

from __future__ import annotations

from pathlib import Path

from tests.data import large_formats
from tests.data.killing import python

SCRIPT = """
import sys
from pathlib import Path
from care_bench.data import prepare
print("begun")
print(prepare("pdb", Path(sys.argv[1]), Path(sys.argv[2])))
"""


def test_a_script_without_a_main_guard(tmp_path: Path) -> None:
    large_formats.write_entries(tmp_path / "raw", 40)
    (tmp_path / "script.py").write_text(SCRIPT)
    done = python(tmp_path / "script.py", tmp_path / "store", tmp_path / "raw")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["begun", str(tmp_path / "store" / "pdb")]
