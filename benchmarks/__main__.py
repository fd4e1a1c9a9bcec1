"""``make bench``: all measurements in one table, as ratios within one run; exit code 1 if a target is missed."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import (
    augmentation,
    collecting,
    default_profile,
    equivariance_loss,
    equivariance_metrics,
    evaluation,
    formats,
    opening,
    probes,
    processes,
    reading,
    scaling,
    starting,
    training_step,
    usual_step,
    wahba_loss,
)
from benchmarks.timing import Row
from care_bench.artifacts import code_version
from care_bench.files import write_json
from care_bench.runs.device import best_device, describe_device

BENCHMARKS = (
    *(augmentation, equivariance_loss, wahba_loss, scaling, equivariance_metrics, probes),
    *(opening, reading, collecting, starting, training_step, formats, usual_step, processes, default_profile),
)
LONG = (evaluation,)
"""Only by name: it takes ten minutes."""


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="Benchmarks. By default all but the evaluation at CIFAR's size.")
    ] = None,
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = Path("results/benchmarks.json"),
) -> None:
    """Measure, print the table and write it as JSON; exit code 1 if a target is missed."""
    known = {benchmark.__name__.partition(".")[2]: benchmark for benchmark in (*BENCHMARKS, *LONG)}
    if unknown := sorted({*(names or known)} - {*known}):
        typer.echo(f"benchmarks: no {', '.join(unknown)}; expected some of {', '.join(known)}", err=True)
        raise typer.Exit(2)
    console = Console(width=None if sys.stdout.isatty() else 160)
    about: dict[str, Any] = {
        "device": describe_device(best_device()),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "code_version": code_version(),
    }
    rows: list[Row] = []
    for name in names or [name for name, one in known.items() if one not in LONG]:
        console.print(f"measuring {name} ...", style="dim")
        rows += known[name].measure()
        write_json(out, {**about, "rows": [*map(asdict, rows)]})
    table = Table("measurement", "ours", "reference", "ratio", "target", "met", show_lines=True)
    for row in rows:
        met = "yes" if row.met else "NO"
        table.add_row(row.name, _value(row, row.ours), _value(row, row.reference), f"{row.ratio:.2f}", row.target, met)
    console.print(table)
    console.print(f"device: {about['device']}, {about['cores']} cores; medians; {out}", highlight=False)
    if not all(row.met for row in rows):
        raise typer.Exit(1)


def _value(row: Row, value: float) -> str:
    if row.unit != "s":
        return f"{value:.3g} {row.unit}"
    return f"{value:.1f} s" if value >= 1 else f"{value * 1e3:.2f} ms"


if __name__ == "__main__":
    typer.run(main)
