"""The rules for claims that the workflow keeps with the runs of a profile: a copy of their file from before the first.

Where runs had been trained already, the first line of the copy says how many. It is a comment, so that the copy stays a
file of rules.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from pathlib import Path

from care_bench.files import write_bytes
from care_bench.untrusted import absent, read_bytes

_LATE = re.compile(rb"\A# Kept after ([0-9]+) runs? had been trained or measured\.\r?\n")


def keep_rules(rules: Path, runs: Path, out: Path) -> None:
    """Copy a file of rules, unless there is a copy already.

    Args:
        rules: the file.
        runs: folder of the profile's runs; it need not be there.
        out: the copy.

    Raises:
        CareBenchError: the file cannot be read, or the copy cannot be written.
    """
    if not absent(out):
        return
    content = _LATE.sub(b"", read_bytes(rules, "expected rules for claims").removeprefix(BOM_UTF8))
    write_bytes(out, said_after(_number_of_results(runs)).encode() + content)


def said_after(number: int) -> str:
    """Return the first line of rules that were kept after so many runs; nothing for none."""
    return f"# Kept after {runs_of(number)} had been trained or measured.\n" if number else ""


def kept_after(content: bytes) -> int:
    """Return after how many runs rules were kept, by their file; 0 where they were kept before any."""
    found = _LATE.match(content)
    return int(found[1]) if found else 0


def runs_of(number: int) -> str:
    """Return a number of runs in words."""
    return f"{number} run{'' if number == 1 else 's'}"


def _number_of_results(runs: Path) -> int:
    """Count runs that are trained or measured, also those of which only files of other settings are kept."""
    found = set()
    for name in ("pretrain.json", "records.jsonl"):
        for path in runs.rglob(name):
            aside = path.parent.name.startswith("config-")
            found.add(path.parent.parent if aside else path.parent)
    return len(found)
