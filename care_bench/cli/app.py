"""The application, and what its commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from care_bench import __version__, names

app = typer.Typer(
    help="Reproduce, measure and report equivariant contrastive learning (CARE, ICLR 2024).",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Option("--data", help="Folder of prepared data sets.")]
Raw = Annotated[Path, typer.Option("--raw", help="Folder of raw data: yours, and downloads.")]
Verify = Annotated[
    bool, typer.Option("--verify", help="Compare every byte of the data again, not once per start of the machine.")
]
Results = Annotated[Path, typer.Argument(help="Results folder.")]
DATA, RAW, RESULTS = Path(names.DATA), Path("results/raw"), Path("results")


def say(line: str) -> None:
    """Print a line, as it is and never wrapped."""
    Console(highlight=False, soft_wrap=True).print(line, markup=False)


def note(line: str) -> None:
    """Print a line on standard error: what a user should know beside the result."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(line, markup=False)


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version, and nothing else.")] = False,
) -> None:
    """Reproduce, measure and report equivariant contrastive learning (CARE, ICLR 2024)."""
    if version or context.invoked_subcommand is None:
        say(f"care-bench {__version__}" if version else context.get_help())
        raise typer.Exit


def check_versions() -> None:
    """Check the versions of what training and evaluation need."""
    from care_bench.artifacts import SUPPORTED, TRAINING
    from care_bench.artifacts import check_versions as check

    check({name: SUPPORTED[name] for name in TRAINING})


def check_place(out: Path) -> None:
    """Check that what a command writes is not among collections or pins, as :func:`check_apart` says."""
    from care_bench.artifacts.collection import COLLECTED, PINNED
    from care_bench.artifacts.folders import check_apart

    check_apart(out, COLLECTED, PINNED)
