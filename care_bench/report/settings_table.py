"""The paper's settings, what a profile runs instead, and why: printed and written as Markdown, HTML and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from care_bench.config import Profile
from care_bench.files import write_text
from care_bench.report.build import LOG_WIDTH
from care_bench.report.markdown import escape
from care_bench.report.paper_settings import read_facts
from care_bench.report.settings_comparison import DatasetSettings, Kind, Line, compare

TEMPLATE = "settings.html.j2"
UNKNOWN = "–"
FEW = 4
"""Rows that are named one by one."""
HEADER = ("setting", "paper", "released code", "ours", "rows", "source")
READING = (
    "Paper: the value it prints. Released code: CARE's, or that of the method which the source names. "
    f"{UNKNOWN}: it prints none, or it is not known.",
    "A row of fidelity released-code is held against the released code. Every other row is held against the paper and, "
    "where the paper prints nothing, against the released code. Not printed: neither is known.",
    "Settings in brackets are fixed by the package. Rows: those without a setting are not counted. A setting that no "
    "source is known for is shown where the profile says why it is as it is.",
)


def write_settings(profile: Profile, results: Path, out: Path, console: Console | None = None) -> list[Path]:
    """Compare a profile with `reference/paper_settings.csv`, print the table, and write it.

    Args:
        profile: what is held against the paper.
        results: the results folder, which has the reference.
        out: folder to write to.
        console: where to print; by default standard output.

    Returns:
        The files written: `settings.md`, `settings.html` and `settings.csv`.

    Raises:
        CareBenchError: no reference or a damaged one, a profile that does not resolve, or a folder that cannot be
            written. Nothing is printed then.
    """
    found = compare(profile, read_facts(results))
    files = {out / f"settings.{ending}": write(profile, found) for ending, write in _FORMATS.items()}
    for path, content in files.items():
        write_text(path, content)
    shown = _standard_output() if console is None else console
    _print(profile, found, shown)
    for path in files:
        shown.print(Text(f"wrote {path}"), soft_wrap=True)
    return list(files)


def _title(profile: Profile) -> str:
    return f"Settings of profile {profile.name} beside the paper's"


def _statements(profile: Profile) -> tuple[str, ...]:
    cut = () if profile.steps is None else (f"Every run is cut to {profile.steps} steps, to check the profile.",)
    return (*cut, *READING)


def _summary(dataset: DatasetSettings) -> str:
    """Say how many lines have which verdict."""
    if not dataset.in_paper:
        reasons = f"; settings with a reason: {len(dataset.lines)}" if dataset.lines else ""
        return f"Not a data set of the paper{reasons}."
    return "; ".join(f"{kind}: {len(lines)}" for kind, lines in dataset.groups.items()) + "."


def _header(kind: Kind) -> tuple[str, ...]:
    """Name the columns of a group; those that need a reason have a column for it."""
    return (*HEADER[:4], "why", *HEADER[4:]) if kind in ("differs", "not printed") else HEADER


def _cells(dataset: DatasetSettings, line: Line) -> tuple[str, ...]:
    """Return the texts of a line in the order of its header."""
    fact = line.fact
    values = (_value(value) for value in (fact.paper, fact.released_code, line.ours))
    why = (line.verdict.why,) if line.verdict.why else ()
    return (fact.key, *values, *why, _rows(dataset, line), fact.note or UNKNOWN)


def _value(value: str | None) -> str:
    """Write canonical JSON for reading: texts without quotation marks."""
    if value is None:
        return UNKNOWN
    content = json.loads(value)
    return content if isinstance(content, str) else value


def _rows(dataset: DatasetSettings, line: Line) -> str:
    """Name the rows of a line, or those that are missing from it, whichever is shorter."""
    others = [name for name in line.of if name not in line.rows]
    if line.rows == dataset.rows:
        return "all"
    if len(line.rows) <= max(FEW, len(others)):
        return ", ".join(line.rows)
    return f"all but {', '.join(others)}" if others else "all that have it"


def _markdown(profile: Profile, found: Sequence[DatasetSettings]) -> str:
    blocks = [f"# {escape(_title(profile))}", "\n".join(f"- {escape(text)}" for text in _statements(profile))]
    for dataset in found:
        blocks += [f"## {escape(dataset.name)}", _summary(dataset)]
        for kind, lines in dataset.groups.items():
            rows = [[f"`{key}`", *map(escape, texts)] for key, *texts in (_cells(dataset, line) for line in lines)]
            blocks += [f"### {kind}", tabulate(rows, _header(kind), tablefmt="pipe", disable_numparse=True)]
    return "\n\n".join(blocks) + "\n"


def _html(profile: Profile, found: Sequence[DatasetSettings]) -> str:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    source = resources.files("care_bench.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(
        title=_title(profile),
        statements=_statements(profile),
        found=found,
        summary=_summary,
        header=_header,
        cells=_cells,
    )


def _csv(profile: Profile, found: Sequence[DatasetSettings]) -> str:
    """Return one row per line; values are JSON, ``rows`` are apart by spaces."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("profile", "dataset", "key", "paper", "released_code", "ours", "verdict", "why", "rows", "source"))
    for dataset in found:
        for line in dataset.lines:
            fact = line.fact
            values = (fact.key, fact.paper, fact.released_code, line.ours)
            writer.writerow((profile.name, dataset.name, *values, *line.verdict, " ".join(line.rows), fact.note))
    return text.getvalue()


_FORMATS: dict[str, Callable[[Profile, Sequence[DatasetSettings]], str]] = {
    "md": _markdown,
    "html": _html,
    "csv": _csv,
}
"""File ending -> writer."""


def _print(profile: Profile, found: Sequence[DatasetSettings], console: Console) -> None:
    console.print(Text(_title(profile), style="bold"))
    for text in _statements(profile):
        console.print(Text(f"- {text}"))
    for dataset in found:
        console.print()
        console.print(Text(f"{dataset.name}: {_summary(dataset)}", style="bold"))
        for kind, lines in dataset.groups.items():
            page = Table(*_header(kind), title=kind, title_justify="left")
            for line in lines:
                page.add_row(*map(Text, _cells(dataset, line)))
            console.print(page)


def _standard_output() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=LOG_WIDTH)
