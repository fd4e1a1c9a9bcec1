"""``python -m benchmarks.gpu OUT.json``: every part in turn, and one file of what they found.

Exit code 1: a target is missed or a part fails; 3: time ran out before all was done.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.gpu import agreement, profile, repeats, steps, views
from benchmarks.gpu.found import Found, not_done
from benchmarks.gpu.limit import Limit, OutOfTimeError
from care_bench.artifacts import code_version
from care_bench.files import write_json
from care_bench.runs.device import best_device, describe_device

PARTS = (steps, views, agreement, repeats, profile)
"""What is wanted most comes first."""


def main(
    out: Annotated[Path, typer.Argument(help="JSON file to write.")],
    toy: Annotated[bool, typer.Option("--toy", help="Tiny sizes, to try the script without a GPU.")] = False,
    minutes: Annotated[float, typer.Option(help="No finding begins and no command goes on after so many.")] = 8.0,
) -> None:
    """Check and measure one GPU; exit code 1 if a target is missed or a part fails, 3 if time ran out."""
    device = best_device()
    if device.type == "cpu" and not toy:
        typer.echo("benchmarks.gpu: torch finds no GPU; expected one, or --toy", err=True)
        raise typer.Exit(2)
    about: dict[str, Any] = {
        "device": describe_device(device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "code_version": code_version(),
        "toy": toy,
    }
    began, limit = time.monotonic(), Limit.after(minutes)
    rows, left = list[Found](), list[str]()
    for part in PARTS:
        for row in _found(part, toy, limit, left):
            rows.append(row)
            typer.echo(_line(row))
            write_json(out, {**about, "seconds": round(time.monotonic() - began), "found": [*map(asdict, rows)]})
    missed = [row for row in rows if row.met is False]
    late = f" ({len(left)} of them parts that were not done to their end: {', '.join(left)})" if left else ""
    typer.echo(f"{len(rows)} findings, {len(missed)} missed{late}; {out}")
    raise typer.Exit(3 if left else bool(missed))


def _found(part: Any, toy: bool, limit: Limit, left: list[str]) -> Iterator[Found]:
    """Yield what a part finds, and why the rest was not done; ``left`` gets the name of a part that is out of time."""
    name = part.__name__.rpartition(".")[2]
    try:
        yield from part.measure(toy, limit)
    except OutOfTimeError as error:
        left.append(name)
        yield not_done(f"{name}: the rest", str(error))
    except Exception as error:  # the other parts still tell something
        yield not_done(f"{name}: the rest", f"{type(error).__name__}: {error}".splitlines()[0])


def _line(row: Found) -> str:
    value = "-" if row.value is None else f"{row.value:.4g} {row.unit}".rstrip()
    verdict = {True: " (met)", False: " (MISSED)", None: ""}[row.met]
    target = f", {row.target}" if row.target else ""
    return f"{row.name}: {value}{target}{verdict}{f'; {row.note}' if row.note else ''}"


if __name__ == "__main__":
    typer.run(main)
