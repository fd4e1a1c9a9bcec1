"""``python -m benchmarks.gpu OUT.json``: every part in turn, and one file of what they found."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.gpu import agreement, profile, repeats, steps, views
from benchmarks.gpu.found import Found, missing
from care_bench.artifacts import code_version
from care_bench.files import write_json
from care_bench.runs.device import best_device, describe_device

PARTS = (views, agreement, repeats, profile, steps)


def main(
    out: Annotated[Path, typer.Argument(help="JSON file to write.")],
    toy: Annotated[bool, typer.Option("--toy", help="Tiny sizes, to try the script without a GPU.")] = False,
    minutes: Annotated[float, typer.Option(help="No finding begins after so many minutes.")] = 8.0,
) -> None:
    """Check and measure one GPU; exit code 1 if a target is missed or a part fails."""
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
    began, rows = time.monotonic(), list[Found]()
    for part in PARTS:
        name = part.__name__.rpartition(".")[2]
        found = part.measure(toy)
        while True:
            if time.monotonic() - began > 60 * minutes:
                rows.append(missing(name, f"the rest was left out after {minutes:g} minutes"))
                break
            try:
                row = next(found)
            except StopIteration:
                break
            except Exception as error:  # the other parts still tell something
                row = Found(name, None, "", "", False, f"{type(error).__name__}: {error}".splitlines()[0])
            rows.append(row)
            typer.echo(_line(row))
            write_json(out, {**about, "seconds": round(time.monotonic() - began), "found": [*map(asdict, rows)]})
    write_json(out, {**about, "seconds": round(time.monotonic() - began), "found": [*map(asdict, rows)]})
    missed = [row for row in rows if row.met is False]
    typer.echo(f"{len(rows)} findings, {len(missed)} missed; {out}")
    raise typer.Exit(1 if missed else 0)


def _line(row: Found) -> str:
    value = "-" if row.value is None else f"{row.value:.4g} {row.unit}".rstrip()
    verdict = {True: " (met)", False: " (MISSED)", None: ""}[row.met]
    target = f", {row.target}" if row.target else ""
    return f"{row.name}: {value}{target}{verdict}{f'; {row.note}' if row.note else ''}"


if __name__ == "__main__":
    typer.run(main)
