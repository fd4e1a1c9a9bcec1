"""From a results folder to the files of a report."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from care_bench.artifacts.collection import COLLECTED, HOW_TO_COLLECT, PINNED, Collection, read_collection
from care_bench.artifacts.folders import check_replaceable, reading
from care_bench.artifacts.manifest import Manifest
from care_bench.artifacts.pin import collected, damaged_pins, pinned, pins_of, read_pins
from care_bench.artifacts.record import code_versions
from care_bench.collector import without_collector
from care_bench.errors import CareBenchError, unknown
from care_bench.files import sha256_file
from care_bench.progress import progress
from care_bench.report.claims import read_rules
from care_bench.report.comparison import compare, comparison_csv, comparison_lines
from care_bench.report.document import TITLE, build_section, glossary_section
from care_bench.report.latex import table_files
from care_bench.report.model import Document, Origin, Section
from care_bench.report.paper import read_paper
from care_bench.report.summary import summary_lines
from care_bench.report.terminal import print_document, publish, standard_output
from care_bench.report.theory import theory_section
from care_bench.report.writers import FORMATS, PAGE, figure_files, records_page, table_pages

NAMES = {ending: f"report.{ending}" for ending in FORMATS} | {"html": PAGE}
"""Format -> file name."""
SILENT = 30.0
"""Seconds before which a log gets no line: most reports take less, and their log is shown to the user."""


@without_collector()
def write_report(
    results: Path,
    out: Path | None = None,
    formats: Sequence[str] = tuple(FORMATS),
    collection: str | None = None,
    console: Console | None = None,
    print_all: bool = False,
) -> list[Path]:
    """Check the collections, write their tables, as `index.html` and `report.<format>`, and print them in short.

    Beside the page are its records and its long tables, and beside LaTeX a file per table.

    Args:
        results: the results folder, with `collected/` or `pinned/` in it, or a ledger of the theory checks.
        out: folder to make or replace; by default `report/NAME` in the results folder, NAME being that of the
            collection, or `all`.
        formats: keys of ``FORMATS``.
        collection: report this collection only: `collected/NAME`, `pinned/NAME`, or `NAME`, the fresh one
            where both exist. By default every collection has a section; no table mixes two of them.
        console: where to print; by default standard output.
        print_all: print every table, and not their short form (see `care_bench.report.summary`).

    Returns:
        The documents written, in the order of ``formats``.

    Raises:
        CareBenchError: an unknown format or collection; a collection to report that is not as it was made (of pins all
            problems are named), a damaged ledger, neither of the two; a folder that holds anything else than a report,
            or that cannot be written. Nothing is printed then. Damaged pins beside the one collection that is reported
            are a warning.
    """
    wanted = _known_formats(formats)
    if not results.is_dir():
        raise CareBenchError(
            f"results folder {results} does not exist; expected a folder with {COLLECTED}/ or {PINNED}/"
        )
    paper = read_paper(results)
    theory = theory_section(results)
    collections = _read_all(results) if collection is None else [_read_one(results, collection)]
    if not collections and theory is None:
        raise CareBenchError(f"no collection in {results}; {HOW_TO_COLLECT}")
    pins = {found.key: _pins(results, found, collections) for found in collections}
    rules = {found.profile: read_rules(results, found.profile) for found in collections}
    sections: list[Section] = []
    files: dict[str, str | bytes] = {}
    with progress("report: parts", len(collections) + len(wanted), silent=SILENT) as advance:
        for done, found in enumerate(collections, 1):
            section = build_section(found, paper, pins[found.key], rules[found.profile])
            sections.append(replace(section, origin=_origin(results, found)))
            advance(done, found.key)
        sections += [theory] if theory else []
        sections += [glossary_section(collections)] if collections else []
        document = Document(TITLE, tuple(sections))
        for done, ending in enumerate(wanted, len(collections) + 1):
            files[NAMES[ending]] = FORMATS[ending](document)
            advance(done, NAMES[ending])
    name = "all" if collection is None else collections[0].name
    folder = results / "report" / name if out is None else out
    if "tex" in wanted:
        files |= table_files(document)
    if "html" in wanted:
        files |= records_page(document) | table_pages(document)
    paths = publish(folder, "report", files | figure_files(document))
    shown = standard_output() if console is None else console
    if print_all:
        print_document(document, shown)
        for path in paths:
            shown.print(Text(f"wrote {path}"), soft_wrap=True)
    else:
        for line in summary_lines(document, paths):
            shown.print(Text(line), soft_wrap=True)
    return paths[: len(wanted)]


def _pins(results: Path, found: Collection, collections: Sequence[Collection]) -> list[Collection]:
    """Return the pins that the numbers of a fresh collection are compared with; those already read need no reading."""
    if found.pinned_on:
        return []
    known = [other for other in collections if other.pinned_on and other.profile == found.profile]
    return known or pins_of(results, found.profile)


def _origin(results: Path, collection: Collection) -> Origin:
    """Say what cites the numbers of a collection."""
    versions = tuple(code_versions(collection.records))
    digest = sha256_file(results / collection.key / Manifest.NAME)
    return Origin(collection.key, collection.name, collection.pinned_on or "", versions, digest)


def _known_formats(formats: Sequence[str]) -> list[str]:
    """Check names of formats, ignoring spaces and repetitions."""
    names = list(dict.fromkeys(name.strip() for name in formats if name.strip()))
    for name in names:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    if not names:
        raise CareBenchError(f"found no format; expected some of {','.join(FORMATS)}")
    return names


def _read_all(results: Path) -> list[Collection]:
    """Read all collections, fresh ones first."""
    pins = read_pins(results, rehash=False)
    with reading(results / COLLECTED):
        folders, problems = collected(results)
        if problems:
            raise CareBenchError("; ".join(problems.values()))
        return [*(read_collection(folder, rehash=False) for folder in folders), *pins]


def write_comparison(results: Path, first: str, second: str, out: Path | None = None) -> Path:
    """Compare two collections or pins, print the largest differences, and write all of them.

    Args:
        results: the results folder.
        first: a collection, as :func:`write_report` takes it.
        second: another.
        out: folder to make or replace; by default `report/FIRST-against-SECOND` in the results folder.

    Returns:
        The file, `report.csv` in that folder.

    Raises:
        CareBenchError: no such collection, one that is not as it was made, or a folder that holds anything else than a
            report, or that cannot be written.
    """
    one, other = (_read_one(results, name) for name in (first, second))
    found = compare(one.records, other.records)
    names = (collection.key.replace("/", "-") for collection in (one, other))
    folder = results / "report" / "-against-".join(names) if out is None else out
    check_replaceable(folder, re.compile(r"report\.csv"), "a comparison")
    (path,) = publish(folder, "report", {"report.csv": comparison_csv(one, found)})
    shown = standard_output()
    for line in (*comparison_lines(one, other, found), f"all differences: {path}"):
        shown.print(Text(line), soft_wrap=True)
    return path


def _read_one(results: Path, name: str) -> Collection:
    """Read the collection that is named, and warn of damaged pins beside it."""
    with reading(results / COLLECTED), reading(results / PINNED):
        fresh, pins = collected(results), pinned(results)
        problems = fresh[1] | pins[1]
        known = {f"{COLLECTED}/{folder.name}": folder for folder in [*fresh[0], *fresh[1]]}
        known |= {f"{PINNED}/{folder.name}": folder for folder in [*pins[0], *pins[1]]}
        if not known:
            raise CareBenchError(f"no collection in {results}; {HOW_TO_COLLECT}")
        key = next((key for key in (name, f"{COLLECTED}/{name}", f"{PINNED}/{name}") if key in known), None)
        if key is None:
            raise unknown("collection", name, known if "/" in name else {folder.name for folder in known.values()})
        folder = known[key]
        if folder in problems:
            raise CareBenchError(problems[folder])
        found = read_collection(folder, pinned=key.startswith(f"{PINNED}/"), rehash=False)
    if damaged := damaged_pins(results):
        names = ", ".join(str(path) for path in damaged)
        print(f"warning: not as they were pinned: {names}; see care-bench verify", file=sys.stderr)  # noqa: T201
    return found
