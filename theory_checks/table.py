"""The ledger on the terminal: every sentence is wrapped and none is cut, at any width."""

from __future__ import annotations

import os
from collections.abc import Sequence

import rich.box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from care_bench.artifacts import LedgerRow
from care_bench.artifacts.ledger import NOT_OBSERVED, VIOLATED

LOG_WIDTH = 120
"""Width where the output is no terminal and the environment sets no COLUMNS."""
LEGEND = (
    "worst residual: by how much the worst example misses the statement; 0 is exact, 1e-9 counts as rounding.",
    "tightest ratio: the largest left side / bound; 1 reaches the bound, a counterexample exceeds it.",
    "counterexample: by how much the largest one contradicts the text as printed, or without the assumption.",
    "stuck starts: minimisations that did not end at zero, of all; of networks, the Hessian is that of the last layer.",
    "case: the smallest example or counterexample; the failing one where a check failed.",
)
_STYLES = {VIOLATED: "bold red", NOT_OBSERVED: "bold yellow"}
_NUMBERS = ("examples", "worst\nresidual", "tightest\nratio", "counter-\nexample", "stuck\nstarts")


def console(file: object, terminal: bool) -> Console:
    """Return a console as wide as the terminal or as COLUMNS says; a log is ``LOG_WIDTH`` wide."""
    width = None if terminal or "COLUMNS" in os.environ else LOG_WIDTH
    return Console(file=file, width=width, highlight=False)  # type: ignore[arg-type]


def ledger_table(rows: Sequence[LedgerRow]) -> Table:
    """Return one row per statement: its name, source, text, verdict and case above one another, numbers beside them."""
    grid = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 1, 0), expand=True)
    grid.add_column("statement", ratio=1, overflow="fold")
    for name in _NUMBERS:
        grid.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        grid.add_row(_described(row), *_numbers(row))
    return grid


def stuck_table(rows: Sequence[LedgerRow]) -> Table | None:
    """Return the starts that did not end at zero, one row per kind and signature; None where there are none."""
    grid = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, title="stuck starts", title_justify="left")
    for name in ("statement", "how they ended"):
        grid.add_column(name, overflow="fold")
    for name in ("starts", "loss", "largest\ngradient", "eigenvalues of\nthe Hessian\n-, 0, +"):
        grid.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        for group in row.starts.stuck if row.starts else ():
            low, high = f"{group.lowest_loss:.2g}", f"{group.highest_loss:.2g}"
            signature = f"{group.negative}, {group.zero}, {group.positive}"
            loss = low if low == high else f"{low} to {high}"
            grid.add_row(row.name, group.kind, str(group.count), loss, f"{group.gradient:.0e}", signature)
    return grid if grid.row_count else None


def _described(row: LedgerRow) -> RenderableType:
    text = Text.assemble((row.name, "bold"), f" ({row.source}): ", row.statement, "\n")
    text.append(f"verdict: {row.verdict}", style=_STYLES.get(row.verdict, "green"))
    if row.smallest_case:
        text.append(f"\ncase: {row.smallest_case}", style="dim")
    return text


def _numbers(row: LedgerRow) -> list[str]:
    sizes = (row.worst_residual, row.tightest_ratio, row.counterexample)
    stuck = f"{row.starts.stuck_count} of {row.starts.count}" if row.starts else "-"
    return [str(row.examples), *("-" if size is None else _short(size) for size in sizes), stuck]


def _short(size: float) -> str:
    """Return two digits: plainly where they are read at a glance, else with an exponent."""
    return "0" if size == 0 else f"{size:.2f}" if 0.01 <= size < 100 else f"{size:.1e}"
