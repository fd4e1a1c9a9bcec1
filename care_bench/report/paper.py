"""The paper's Table 1 beside ours, for the data sets that both have."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple, cast

from care_bench.errors import CareBenchError
from care_bench.report.grid import Grid, reading
from care_bench.report.labels import METHODS, Variant, method_label, position
from care_bench.report.model import Cell, Column, Source, Table
from care_bench.report.reference import read_reference
from care_bench.report.statistics import number
from care_bench.untrusted import absent

REFERENCE = Path("reference") / "table1.csv"
DATASETS = ("cifar10", "cifar100", "stl10", "imagenet100")
TITLE = "The paper's Table 1 beside ours"
CAPTION = (
    "Linear probing, top-1. Paper: ± is the standard deviation over 3 initialisations of the classifier, not over "
    "pretraining seeds; (cited) marks values the paper takes from other papers. Ours: mean over n pretraining "
    "seeds ± half-width of its 95 % t-interval. The two ± measure different things: nothing is set in bold."
)
_HEADER = ["method", "base", "kind", "dataset", "top1_percent", "std", "source"]


class PaperValue(NamedTuple):
    """One entry of the paper's Table 1; ``top1`` in percent, ``std`` over three classifier initialisations."""

    method: str
    base: str | None
    dataset: str
    top1: float | None
    std: float | None
    source: Source


def read_paper(results: Path) -> list[PaperValue] | str:
    """Read `reference/table1.csv`.

    Returns:
        The values, or the sentence that says why there are none: the results folder has no such file.

    Raises:
        CareBenchError: a damaged file, one line naming file and line; or two values of one method on one data set.
    """
    path = results / REFERENCE
    if absent(path):
        return f"{TITLE}: the results folder has no {REFERENCE.as_posix()}."
    found = read_reference(path, _HEADER, _parse)
    places = Counter((value.method, value.base, value.dataset) for value in found)
    for (method, base, dataset), times in places.items():
        if times > 1:
            name = method if base is None else f"{method} with {base}"
            raise CareBenchError(f"{path} has {times} values of {name} on {dataset}; expected one")
    return found


def paper_table(grid: Grid, paper: list[PaperValue] | str) -> Table | str:
    """Build the comparison, or return the sentence that says why there is none."""
    if isinstance(paper, str):
        return paper
    names = sorted({value.dataset for value in paper}, key=lambda name: position(name, DATASETS))
    keys = grid.sorted(grid.keys, ["protocol", "representation", "backbone"])
    ours = [key for key in keys if key.metric == "top1" and key.dataset in names and key.protocol != "knn-v1"]
    if not ours:
        listed = ", ".join(names)
        return f"{TITLE}: profile {grid.profile} has no linear probe on a data set of it ({listed})."
    by_place = {(value.method, value.base, value.dataset): value for value in paper}
    rows = _rows(grid, grid.rows(ours), paper)

    by_column: list[tuple[Column, list[Cell]]] = []
    for name in names:
        quoted = [_paper_cell(by_place.get((method, base, name))) for _, (method, base), _ in rows]
        by_column.append((Column(name, "paper", "%"), quoted))
        here = [key for key in ours if key.dataset == name]
        for key in here:
            header = f"ours: {key.protocol}, {key.representation}, {key.backbone}"
            by_column.append((Column(name, header, "%"), [grid.cell(variant, key) for _, _, variant in rows]))
        if not here:
            why = f"data set {name} is not linearly probed in this collection of profile {grid.profile}"
            by_column.append((Column(name, "ours", "%"), [Cell(notes=(why,))] * len(rows)))
    cells = tuple(zip(*(found for _, found in by_column), strict=True))
    caption = (CAPTION, grid.protocols(ours), *reading(cells))
    return Table(TITLE, caption, tuple(column for column, _ in by_column), tuple(label for label, _, _ in rows), cells)


def _rows(
    grid: Grid, present: list[Variant], paper: list[PaperValue]
) -> list[tuple[str, tuple[str, str | None], Variant | None]]:
    """Return the paper's methods in its order, one row per variant of ours, or one row without a variant."""
    rows: list[tuple[str, tuple[str, str | None], Variant | None]] = []
    for method, base in dict.fromkeys((value.method, value.base) for value in paper):
        found = [variant for variant in present if (variant.method, variant.base) == (method, base)]
        rows += [(grid.labels[variant], (method, base), variant) for variant in found]
        rows += [] if found else [(method_label(method, base), (method, base), None)]
    return rows


def _paper_cell(value: PaperValue | None) -> Cell:
    if value is None:
        return Cell(notes=(f"not an entry of {REFERENCE.as_posix()}",), source="gap")
    if value.top1 is None:
        return Cell(notes=("gap: the text of the paper at hand does not show this value",), source="gap")
    spread = "" if value.std is None else f" ± {number(value.std, '%')}"
    return Cell(f"{number(value.top1, '%')}{spread} ({value.source})", source=value.source, quoted=value.top1)


def _parse(row: list[str]) -> PaperValue:
    method, base, _, dataset, top1, std, source = row
    value = PaperValue(method, base or None, dataset, _number(top1), _number(std), cast(Source, source))
    if method not in METHODS or source not in ("paper", "cited", "gap") or (source == "gap") != (value.top1 is None):
        raise ValueError(
            f"found {','.join(row)!r}; expected a known method and the source paper, cited, or gap (no value)"
        )
    return value


def _number(text: str) -> float | None:
    value = float(text) if text else None
    if value is not None and not math.isfinite(value):
        raise ValueError(f"found {text!r}; expected a finite number, or nothing")
    return value
