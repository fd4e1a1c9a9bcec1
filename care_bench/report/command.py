"""The application of ``python -m care_bench.report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from care_bench.errors import CareBenchError
from care_bench.report.build import write_comparison, write_report
from care_bench.report.writers import FORMATS
from care_bench.terminal import keeps

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
@keeps("the report is as it was before or whole; the same command writes it")
def report(
    results: Annotated[Path, typer.Argument(help="Results folder, with collected/ or pinned/ in it.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; by default RESULTS/report/NAME.")] = None,
    formats: Annotated[
        str | None, typer.Option("--format", help=f"Any of {','.join(FORMATS)}; by default all.", show_default=False)
    ] = None,
    collection: Annotated[str | None, typer.Option("--collection", help="Report this collection or pin only.")] = None,
    print_all: Annotated[bool, typer.Option("--print", help="Print every table, not the short form.")] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option("--compare", help="Instead: which numbers of two collections differ, as CSV."),
    ] = None,
) -> None:
    """Write the page and the tables, every number with its records, and print them in short."""
    write(results, out, formats, collection, print_all, compare)


def write(
    results: Path,
    out: Path | None,
    formats: str | None,
    collection: str | None,
    print_all: bool,
    compare: tuple[str, str] | None,
) -> None:
    """Write a report or a comparison, as the options of the command say.

    Raises:
        CareBenchError: options that a comparison does not take, or as what is written.
    """
    if compare is None:
        wanted = tuple(FORMATS) if formats is None else formats.split(",")
        write_report(results, out, wanted, collection, print_all=print_all)
        return
    for option, given in (
        ("--format", formats not in (None, "csv")),
        ("--collection", collection),
        ("--print", print_all),
    ):
        if given:
            raise CareBenchError(f"{option} is for a report, and --compare writes a CSV alone; expected one of the two")
    write_comparison(results, *compare, out)
