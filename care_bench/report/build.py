"""From a results folder to the files of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from care_bench.artifacts.collection import COLLECTED, HOW_TO_COLLECT, PINNED, Collection, read_collection
from care_bench.artifacts.pin import collected, pinned, read_pin, verify_all
from care_bench.errors import CareBenchError, unknown
from care_bench.files import write_text
from care_bench.report.console import print_sections
from care_bench.report.document import Section, build_section
from care_bench.report.html import write_html
from care_bench.report.latex import write_latex
from care_bench.report.markdown import write_markdown
from care_bench.report.paper import read_paper
from care_bench.report.theory import theory_section
from care_bench.report.tidy import write_csv

FORMATS: dict[str, Callable[[Sequence[Section]], str]] = {
    "md": write_markdown,
    "tex": write_latex,
    "html": write_html,
    "csv": write_csv,
}
"""File ending -> writer."""
LOG_WIDTH = 160
"""Characters of a line where the tables are printed to a file and not to a terminal."""


def write_report(
    results: Path,
    out: Path | None = None,
    formats: Sequence[str] = tuple(FORMATS),
    collection: str | None = None,
    console: Console | None = None,
) -> list[Path]:
    """Verify the pins, print the tables, and write them as `report.<format>`; the theory stands last, if checked.

    Args:
        results: the results folder, with `collected/` or `pinned/` in it, or a ledger of the theory checks.
        out: folder to write to; by default `report` in the results folder.
        formats: keys of ``FORMATS``.
        collection: report this collection only: `collected/NAME`, `pinned/NAME`, or `NAME`, which is the fresh one
            where both exist. By default every collection has a section; no table mixes two of them.
        console: where to print; by default standard output.

    Returns:
        The files written, in the order of ``formats``.

    Raises:
        CareBenchError: an unknown format or collection, a pinned file that is missing, added or changed (all are
            named), a damaged collection or ledger, neither of the two, or a folder that cannot be written. Nothing
            is printed then.
    """
    wanted = parse_formats(formats)
    if not results.is_dir():
        raise CareBenchError(
            f"results folder {results} does not exist; expected a folder with {COLLECTED}/ or {PINNED}/"
        )
    verify_all(results)
    paper = read_paper(results)
    theory = theory_section(results)
    alone = theory is not None and collection is None and not collected(results) and not pinned(results)
    collections = [] if alone else read_collections(results, collection)
    sections = [build_section(found, paper) for found in collections] + ([theory] if theory else [])
    folder = results / "report" if out is None else out
    files = {folder / f"report.{name}": FORMATS[name](sections) for name in wanted}
    for path, content in files.items():
        write_text(path, content)
    shown = _standard_output() if console is None else console
    print_sections(sections, shown)
    for path in files:
        shown.print(Text(f"wrote {path}"), soft_wrap=True)
    return list(files)


def _standard_output() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=LOG_WIDTH)


def parse_formats(formats: Sequence[str]) -> list[str]:
    """Check names of formats; spaces and repetitions do no harm.

    Raises:
        CareBenchError: an unknown format, or none at all.
    """
    names = list(dict.fromkeys(name.strip() for name in formats if name.strip()))
    for name in names:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    if not names:
        raise CareBenchError(f"found no format; expected some of {','.join(FORMATS)}")
    return names


def read_collections(results: Path, name: str | None) -> list[Collection]:
    """Read the collections to report: all, fresh ones first, or the one that is named."""
    known = {f"{COLLECTED}/{folder.name}": folder for folder in collected(results)}
    known |= {f"{PINNED}/{folder.name}": folder for folder in pinned(results)}
    if not known:
        raise CareBenchError(f"no collection in {results}; {HOW_TO_COLLECT}")
    if name is not None:
        fitting = [key for key in (name, f"{COLLECTED}/{name}", f"{PINNED}/{name}") if key in known]
        if not fitting:
            raise unknown("collection", name, known if "/" in name else {folder.name for folder in known.values()})
        known = {fitting[0]: known[fitting[0]]}
    return [
        read_pin(folder) if key.startswith(f"{PINNED}/") else read_collection(folder) for key, folder in known.items()
    ]
