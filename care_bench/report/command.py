"""The application of ``python -m care_bench.report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from care_bench.report.build import write_comparison, write_report
from care_bench.report.writers import FORMATS
from care_bench.terminal import keeps

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
@keeps("the report is as it was before or whole; the same command writes it")
def report(
    results: Annotated[Path, typer.Argument(help="Results folder, with collected/ or pinned/ in it.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; by default RESULTS/report/NAME.")] = None,
    formats: Annotated[str, typer.Option("--format", help=f"Any of {','.join(FORMATS)}.")] = ",".join(FORMATS),
    collection: Annotated[str | None, typer.Option("--collection", help="Report this collection or pin only.")] = None,
    print_all: Annotated[bool, typer.Option("--print", help="Print every table, not the short form.")] = False,
    compare: Annotated[
        tuple[str, str] | None, typer.Option("--compare", help="Instead: which numbers of two collections differ.")
    ] = None,
) -> None:
    """Write the page and the tables, every number with its records, and print them in short."""
    if compare is not None:
        write_comparison(results, *compare)
        return
    write_report(results, out, formats.split(","), collection, print_all=print_all)
