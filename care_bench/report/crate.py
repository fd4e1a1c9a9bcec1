"""A pin as an RO-Crate (research object, 1.3): the folder to deposit, with its report and metadata for machines.

The crate is a results folder: `care-bench verify CRATE` and `python -m care_bench.report CRATE` work on it.
"""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console

from care_bench.artifacts.collection import PINNED, PROFILE, Collection
from care_bench.artifacts.drawn import NAME as FIGURES
from care_bench.artifacts.folders import fill, reading
from care_bench.artifacts.frame import PARQUET
from care_bench.artifacts.illustrations import NAME as ILLUSTRATIONS
from care_bench.artifacts.manifest import Manifest
from care_bench.artifacts.pin import pinned, read_pin
from care_bench.artifacts.record import code_versions
from care_bench.artifacts.resamples import NAME as RESAMPLES
from care_bench.errors import CareBenchError, unknown
from care_bench.files import replacing, sha256_file, write_bytes
from care_bench.report.build import write_report
from care_bench.report.crate_folder import METADATA, check_crate_replaceable, metadata_text
from care_bench.report.paper import REFERENCE as TABLE1
from care_bench.untrusted import read_bytes

PAPER = "https://doi.org/10.48550/arXiv.2306.13924"
LICENSE = "https://spdx.org/licenses/MIT"
AUTHORS, SOFTWARE, MEASUREMENT = "#authors", "#care_bench", "#measurement"

_KINDS = {
    ".parquet": ("application/vnd.apache.parquet", "The records: one measured number a row, with its provenance."),
    ".json": ("application/json", "The profile of the runs, or the checksums of the files beside it."),
    ".yaml": ("application/yaml", "The rules that decide the claims of the paper."),
    ".html": ("text/html", "The report, the records behind it, or a long table of it, as a page."),
    ".csv": ("text/csv", "Numbers: of the report, of a figure, or quoted from the paper."),
    ".md": ("text/markdown", "The report in Markdown."),
    ".tex": ("application/x-tex", "A table of the report, or all of it, in LaTeX."),
    ".bib": ("application/x-bibtex", "The BibTeX entry of the pin."),
    ".svg": ("image/svg+xml", "A figure of the report."),
    ".pdf": ("application/pdf", "A figure of the report."),
    ILLUSTRATIONS: ("application/jsonl", "What the pictures of encoders are drawn from."),
    RESAMPLES: ("application/jsonl", "What the rules for claims compare, on random halves of the test samples."),
    FIGURES: ("application/zip", "The figures of the report as they were drawn when the collection was pinned."),
}
"""Name of a file, or its ending -> media type and description."""


def write_crate(results: Path, name: str, out: Path) -> Path:
    """Write a pin, its report and the metadata of both into a folder. The same pin gives the same bytes.

    Args:
        results: the results folder.
        name: of the pin.
        out: folder to make, or to replace if it is the crate of the same pin as it was written.

    Returns:
        The metadata file.

    Raises:
        CareBenchError: no such pin, one that is not as it was pinned, a folder that holds anything else than this
            crate, lies inside a results folder or cannot be written, or rocrate is missing.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise CareBenchError("a crate needs rocrate; expected it installed, as care-bench[report]") from None
    check_crate_replaceable(out, name, results)
    with reading(results / PINNED):
        folders = {folder.name: folder for folder in pinned(results)[0]}
        if name not in folders:
            raise unknown("pin", name, folders)
        found = read_pin(folders[name])
        kept = [folders[name] / file for file in (*Manifest.load(folders[name]).files, Manifest.NAME)]
        kept += sorted((results / TABLE1.parent).glob("*"))
        contents = {path.relative_to(results): read_bytes(path, "expected a file of results") for path in kept}
    with replacing(out) as folder:
        fill(folder, {file.as_posix(): content for file, content in contents.items()})
        write_report(
            folder, folder / "report" / name, collection=f"{PINNED}/{name}", console=Console(file=io.StringIO())
        )
        crate = ROCrate()
        _describe(crate, found)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                crate.add_file(dest_path=path.relative_to(folder).as_posix(), properties=_file(path))
        write_bytes(folder / METADATA, metadata_text(crate.metadata.generate()))
        check_crate_replaceable(out, name, results)  # what was put there meanwhile is not lost either
    return out / METADATA


def _describe(crate: Any, found: Collection) -> None:
    """Say what the crate is, who made it, which program at which version, and what it examines."""
    from rocrate.model import ContextEntity

    records = found.records
    runs = len({(record.dataset, record.variant, record.seed) for record in records})
    datasets = ", ".join(sorted({record.dataset for record in records}))
    crate.name = f"care_bench results {found.name}"
    crate.description = (
        f"{len(records)} measurements of {runs} encoders on {datasets} (profile {found.profile}), with their report: "
        "a reproduction of Structuring Representation Geometry with Rotationally Equivariant Contrastive Learning."
    )
    crate.root_dataset["datePublished"] = found.pinned_on
    entities = {
        LICENSE: {"@type": "CreativeWork", "name": "MIT License", "description": "The license of the results."},
        AUTHORS: {"@type": "Organization", "name": "The care_bench authors"},
        PAPER: {
            "@type": "ScholarlyArticle",
            "name": "Structuring Representation Geometry with Rotationally Equivariant Contrastive Learning",
        },
        SOFTWARE: {
            # Not a SoftwareApplication, which has to have an address of its own.
            "@type": "CreativeWork",
            "name": "care_bench",
            "description": "The program that made the results.",
            "version": ", ".join(code_versions(records)),
            "license": {"@id": LICENSE},
        },
        MEASUREMENT: {
            "@type": "CreateAction",
            "name": f"Pretraining and evaluation of profile {found.profile}",
            "agent": {"@id": AUTHORS},
            "instrument": {"@id": SOFTWARE},
            "endTime": str(date.fromisoformat(str(found.pinned_on))),
            "result": {"@id": f"{found.key}/{PARQUET}"},
            **({"object": {"@id": f"{found.key}/{PROFILE}"}} if found.variants else {}),
        },
    }
    for identifier, properties in entities.items():
        crate.add(ContextEntity(crate, identifier, properties=properties))
    root = crate.root_dataset
    root["license"], root["citation"] = {"@id": LICENSE}, {"@id": PAPER}
    root["author"] = root["publisher"] = {"@id": AUTHORS}
    root["mentions"] = {"@id": MEASUREMENT}


def _file(path: Path) -> dict[str, str]:
    """Describe a file."""
    about = {"name": path.name, "contentSize": str(path.stat().st_size), "sha256": sha256_file(path)}
    for known in (path.suffix, path.name):
        if known in _KINDS:
            about["encodingFormat"], about["description"] = _KINDS[known]
    return about
