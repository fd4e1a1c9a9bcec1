"""``make bench``: all measurements in one table, as ratios within one run; exit code 1 if a target is missed."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.table import Table

from benchmarks import (
    augmentation,
    default_profile,
    equivariance_loss,
    equivariance_metrics,
    opening,
    reading,
    scale,
    starting,
    training_step,
    wahba_loss,
)
from benchmarks.timing import Row
from care_bench.runs.device import best_device, describe_device

BENCHMARKS = (
    *(augmentation, equivariance_loss, wahba_loss, equivariance_metrics),
    *(opening, reading, scale, starting, training_step, default_profile),
)


def main() -> int:
    """Measure and print; return the exit code."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    rows: list[Row] = []
    for benchmark in BENCHMARKS:
        console.print(f"measuring {benchmark.__name__.partition('.')[2]} ...", style="dim")
        rows += benchmark.measure()
    table = Table("measurement", "ours", "reference", "ratio", "target", "met", show_lines=True)
    for row in rows:
        met = "yes" if row.met else "NO"
        numbers = (_shown(number, row.unit) for number in (row.ours, row.reference))
        table.add_row(row.name, *numbers, f"{row.ratio:.2f}", row.target, met)
    console.print(table)
    console.print(f"device: {describe_device(best_device())}, {os.cpu_count()} cores; medians", highlight=False)
    return 0 if all(row.met for row in rows) else 1


def _shown(number: float, unit: str) -> str:
    if unit == "B":
        return f"{number / 1e6:.1f} MB"
    return f"{number:.1f} s" if number >= 1 else f"{number * 1e3:.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
