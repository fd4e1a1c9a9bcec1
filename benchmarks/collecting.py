"""Collecting and reporting 10,000 and 100,000 records: processor time, memory, and the size of the page.

Records are those of a pin under more seeds, and under more rows (see `benchmarks.records`). Growth is the exponent of
the number of records by which processor time rises, after the time for one run is taken off, which is mostly start-up.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.records import templates, write_runs
from benchmarks.timing import Row, within
from benchmarks.used import Used, used
from care_bench.report.writers import PAGE

GROWTH, MEMORY, PAGE_SIZE = 1.1, 2000, 10
"""Largest exponent; most MB of memory of a collect and of a page, both the targets for a million records."""
TIMES = 10
FOLDER = Path("/var/tmp")


@dataclass(frozen=True)
class Case:
    """Records that were collected and reported: their number, what both took, and the bytes of the page."""

    records: int
    collect: Used
    report: Used
    page: int


def measure() -> list[Row]:
    """Collect and report every number of records."""
    runs = templates(snapshots=False)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        one = _case(Path(folder) / "one", runs[:1], 1, 1)
        few = _case(Path(folder) / "few", runs, 1, 1)
        seeds = _case(Path(folder) / "seeds", runs, TIMES, 1)
        rows = _case(Path(folder) / "rows", runs, 1, TIMES)
    found = []
    for what, many in (("ten times the seeds", seeds), ("ten times the rows", rows)):
        found += [
            _growth("collect", what, one, few, many),
            _growth("report", what, one, few, many),
            within(f"memory of collect, {many.records:,} records, {what}", many.collect.memory / 1e6, MEMORY, "MB"),
            within(f"page of {many.records:,} records, {what}", many.page / 1e6, PAGE_SIZE, "MB"),
        ]
    return found


def _case(folder: Path, runs: list[list[dict[str, Any]]], seeds: int, copies: int) -> Case:
    files = write_runs(folder / "runs", runs, seeds, copies)
    collect = used("care_bench", "collect", *files, "--out", folder / "results/collected/many")
    report = used("care_bench", "report", folder / "results", "--out", folder / "report")
    records = sum(map(len, runs)) * seeds * copies
    return Case(records, collect, report, (folder / "report" / PAGE).stat().st_size)


def _growth(command: str, what: str, one: Case, few: Case, many: Case) -> Row:
    start, less, more = (getattr(case, command) for case in (one, few, many))
    exponent = math.log((more.seconds - start.seconds) / (less.seconds - start.seconds)) / math.log(
        many.records / few.records
    )
    name = (
        f"{command} {many.records:,} records, {what}, against {few.records:,}: growth of processor time; "
        f"{many.records / more.seconds:,.0f} records a second, {more.memory / 1e6:.0f} MB against "
        f"{less.memory / 1e6:.0f} MB"
    )
    return Row(name, more.seconds, less.seconds, exponent, f"exponent of at most {GROWTH:g}", exponent <= GROWTH)
