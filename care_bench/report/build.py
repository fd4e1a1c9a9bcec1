"""From a results folder to the files of a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from care_bench.artifacts.collection import COLLECTED, HOW_TO_COLLECT, PINNED, Collection, read_collection
from care_bench.artifacts.pin import collected, pinned, read_pin, verify_all
from care_bench.errors import CareBenchError, unknown
from care_bench.report.document import TITLE, build_section
from care_bench.report.model import Document
from care_bench.report.paper import read_paper
from care_bench.report.terminal import publish
from care_bench.report.theory import theory_section
from care_bench.report.writers import FORMATS


def write_report(
    results: Path,
    out: Path | None = None,
    formats: Sequence[str] = tuple(FORMATS),
    collection: str | None = None,
    console: Console | None = None,
) -> list[Path]:
    """Verify the pins, print the tables, and write them as `report.<format>`; the theory comes last, if checked.

    Args:
        results: the results folder, with `collected/` or `pinned/` in it, or a ledger of the theory checks.
        out: folder to write to; by default `report` in the results folder.
        formats: keys of ``FORMATS``.
        collection: report this collection only: `collected/NAME`, `pinned/NAME`, or `NAME`, the fresh one
            where both exist. By default every collection has a section; no table mixes two of them.
        console: where to print; by default standard output.

    Returns:
        The files written, in the order of ``formats``.

    Raises:
        CareBenchError: an unknown format or collection, a pinned file that is missing, added or changed (all are
            named), a damaged collection or ledger, neither of the two, or a folder that cannot be written. Nothing
            is printed then.
    """
    wanted = _known_formats(formats)
    if not results.is_dir():
        raise CareBenchError(
            f"results folder {results} does not exist; expected a folder with {COLLECTED}/ or {PINNED}/"
        )
    verify_all(results)
    paper = read_paper(results)
    theory = theory_section(results)
    alone = theory is not None and collection is None and not collected(results) and not pinned(results)
    collections = [] if alone else _read_collections(results, collection)
    sections = [*(build_section(found, paper) for found in collections), *([theory] if theory else [])]
    document = Document(TITLE, tuple(sections))
    folder = results / "report" if out is None else out
    return publish(document, {folder / f"report.{name}": FORMATS[name](document) for name in wanted}, console)


def _known_formats(formats: Sequence[str]) -> list[str]:
    """Check names of formats, ignoring spaces and repetitions."""
    names = list(dict.fromkeys(name.strip() for name in formats if name.strip()))
    for name in names:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    if not names:
        raise CareBenchError(f"found no format; expected some of {','.join(FORMATS)}")
    return names


def _read_collections(results: Path, name: str | None) -> list[Collection]:
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
