"""What a table is: rows, columns, cells that know the records behind them, and blanks that know their reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from care_bench.report.statistics import Summary, best

Source = Literal["records", "paper", "cited", "gap", "theory"]


@dataclass(frozen=True)
class Column:
    """A column under a spanning header; ``higher_is_better`` None means that no value in it is marked best.

    ``prose`` says that the column holds sentences, which are set flush left and broken into lines.
    """

    group: str
    name: str
    unit: str = "1"
    higher_is_better: bool | None = None
    prose: bool = False

    @property
    def header(self) -> str:
        """Name, unit unless it is 1, and an arrow in the direction of better."""
        unit = "" if self.unit == "1" else f" ({self.unit})"
        return f"{self.name}{unit}{_ARROWS[self.higher_is_better]}"


@dataclass(frozen=True)
class Cell:
    """A number with the records behind it, or a blank whose ``notes`` say why.

    ``notes`` of a filled cell say what is missing from it, such as a seed. ``source`` tells our records from values
    of the paper (`paper`), values the paper cites (`cited`), values its text does not show (`gap`) and what the theory
    checks found (`theory`); ``quoted`` is the number of such a value.
    """

    text: str = ""
    summary: Summary | None = None
    bold: bool = False
    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: Source = "records"
    quoted: float | None = None

    def __post_init__(self) -> None:
        if not self.text and not self.notes:
            raise ValueError("found a blank cell without a reason; expected a note that explains it")


@dataclass(frozen=True)
class Table:
    """A table ready to be written in any format; ``cells[i][j]`` stands in row i and column j."""

    title: str
    caption: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.cells}
        if len(self.cells) != len(self.rows) or widths - {len(self.columns)}:
            raise ValueError(
                f"found {len(self.cells)} rows of cells with widths {sorted(widths)}; "
                f"expected {len(self.rows)} rows of {len(self.columns)}"
            )

    @property
    def slug(self) -> str:
        """The title as a name for anchors and labels."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    @property
    def footnotes(self) -> tuple[str, ...]:
        """Distinct notes in reading order; the first is footnote 1."""
        return tuple(dict.fromkeys(note for row in self.cells for cell in row for note in cell.notes))

    def marks(self, cell: Cell) -> tuple[int, ...]:
        """Footnote numbers of a cell."""
        notes = self.footnotes
        return tuple(notes.index(note) + 1 for note in cell.notes)


def spans(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Spanning headers with the number of adjacent columns under each; empty where no column has one."""
    found: list[tuple[str, int]] = []
    for column in columns:
        if found and found[-1][0] == column.group:
            found[-1] = (column.group, found[-1][1] + 1)
        else:
            found.append((column.group, 1))
    return found if any(name for name, _ in found) else []


def mark_best(columns: tuple[Column, ...], cells: list[list[Cell]]) -> tuple[tuple[Cell, ...], ...]:
    """Set the best cell of every column in bold, where the intervals allow it (see :func:`statistics.best`)."""
    winners = {
        (best([row[j].summary for row in cells], column.higher_is_better), j) for j, column in enumerate(columns)
    }
    return tuple(
        tuple(replace(cell, bold=(i, j) in winners) for j, cell in enumerate(row)) for i, row in enumerate(cells)
    )


def sizes(cells: tuple[tuple[Cell, ...], ...]) -> Counter[int]:
    """How many cells rest on how many pretraining seeds."""
    return Counter(cell.summary.n for row in cells for cell in row if cell.summary is not None)


def number(value: float, unit: str) -> str:
    """Write a number for reading: two decimals for % and degrees, four digits otherwise, tiny ones with an exponent."""
    size = abs(value)
    if unit != "1":
        return f"{value:.2f}"
    if 0 < size < 0.00095:
        return f"{value:.1e}"
    return f"{value:.{1 if size >= 100 else 2 if size >= 10 else 3 if size >= 1 else 4}f}"


def summary_text(summary: Summary, unit: str) -> str:
    """Write `mean ± half-width (n=3)`, or `value (n=1)`; the half-width gets the decimals of the mean.

    A half-width that would read as zero is written as below the last decimal, unless it is zero.
    """
    mean = number(summary.mean, unit)
    half = summary.half_width
    if half is None:
        return f"{mean} (n=1)"
    if "e" in mean:
        return f"{mean} ± {half:.1e} (n={summary.n})"
    decimals = len(mean.partition(".")[2])
    shown = f"{half:.{decimals}f}"
    if half > 0 and float(shown) == 0:
        shown = f"<{10**-decimals:.{decimals}f}"
    return f"{mean} ± {shown} (n={summary.n})"


_ARROWS = {True: " ↑", False: " ↓", None: ""}
