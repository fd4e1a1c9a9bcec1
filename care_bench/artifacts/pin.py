"""Pinned collections: copies under a manifest of their own, which a report refuses when a file has changed.

A pin leaves out the CSV, which says the same as the Parquet file and is thirty times as large.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from care_bench.artifacts.collection import COLLECTED, PINNED, Collection, read_collection
from care_bench.artifacts.drawn import NAME as FIGURES
from care_bench.artifacts.drawn import Drawn, encode_drawn
from care_bench.artifacts.folders import listed, reading
from care_bench.artifacts.frame import CSV
from care_bench.artifacts.manifest import FileEntry, Manifest
from care_bench.errors import CareBenchError, unknown
from care_bench.files import replacing, sha256_bytes, write_bytes
from care_bench.names import check_file_name
from care_bench.untrusted import read_bytes


def pin(
    results: Path, name: str, collection: str, draw: Callable[[Collection], Mapping[str, Drawn]] | None = None
) -> Path:
    """Copy a collection to `results/pinned/<name>`, with its profile and rules if it has them, and write its manifest.

    Args:
        results: the results folder.
        name: name of the pin, a plain folder name.
        collection: the collection below `results/collected` to copy.
        draw: draws its figures, which are kept with it: a report of the pin need not draw them again.

    Returns:
        The pinned folder.

    Raises:
        CareBenchError: the pin exists (pins are never replaced), the name is no folder name, there is no such
            collection, or it is not as it was made.
    """
    check_file_name("pin", name)
    listed(results / PINNED, "pin")  # a file in the place of the folder is named as such
    target = results / PINNED / name
    _check_new(target)
    with reading(results / COLLECTED):
        found, problems = collected(results)
        source = results / COLLECTED / collection
        if source in problems:
            raise CareBenchError(problems[source])
        if source not in found:
            raise unknown("collection", collection, (folder.name for folder in found))
        records = read_collection(source)
        manifest = Manifest.load(source)
        files = {file: digest for file, digest in manifest.files.items() if file != CSV}
        contents = {file: read_bytes(source / file, "expected a file of a collection") for file in files}
    if figures := draw(records) if draw else {}:
        contents[FIGURES] = encode_drawn(figures)
        files[FIGURES] = FileEntry(sha256=sha256_bytes(contents[FIGURES]), bytes=len(contents[FIGURES]))
    about = {**manifest.about, "name": name, "date": datetime.now(UTC).date().isoformat()}
    with replacing(target) as folder:
        _check_new(target)  # another process may have made it while this one waited
        for file, content in contents.items():
            write_bytes(folder / file, content)
        kept = Manifest(folder=folder, files=files, about=about)
        kept.save()
        kept.verify()
    moved = Manifest.load(target)
    moved.verify()
    if moved.files != files:
        raise CareBenchError(f"{target} was changed while it was made; delete it, and pin again")
    return target


def verify_all(results: Path) -> int:
    """Check every pinned collection against its manifest and records against their ids, and that its parts fit.

    Returns:
        Number of files verified, over all pins.

    Raises:
        CareBenchError: one line naming every missing, added, changed or unreadable file, every absent or damaged
            manifest, and everything else that is no pin.
    """
    return sum(len(Manifest.load(results / found.key).files) for found in read_pins(results))


def read_pins(results: Path, rehash: bool = True) -> list[Collection]:
    """Read all pinned collections, sorted by name, as :func:`verify_all` checks them; ``rehash`` as by read_pin."""
    with reading(results / PINNED):
        folders, entries = pinned(results)
        problems = list(entries.values())
        pins = []
        for folder in folders:
            try:
                pins.append(read_pin(folder, rehash))
            except CareBenchError as error:
                problems.append(str(error))
    if problems:
        raise CareBenchError(f"pinned results do not match their manifests: {'; '.join(problems)}")
    return pins


def damaged_pins(results: Path) -> list[Path]:
    """Return what cannot be read as a pin, or has files that are missing, added or changed. No record is read."""
    with reading(results / PINNED):
        folders, problems = pinned(results)
        return sorted([*problems, *(folder for folder in folders if not _matches(folder))])


def read_pin(folder: Path, rehash: bool = True) -> Collection:
    """Read a pinned collection after checking it, as :func:`read_collection` does."""
    return read_collection(folder, pinned=True, rehash=rehash)


def pins_of(results: Path, profile: str) -> list[Collection]:
    """Read the intact pins of a profile, as a report does; damaged ones are left to :func:`damaged_pins`."""
    intact = [folder for folder in pinned(results)[0] if _matches(folder)]
    found = [folder for folder in intact if Manifest.load(folder).about.get("profile") == profile]
    return [read_pin(folder, rehash=False) for folder in found]


def collected(results: Path) -> tuple[list[Path], dict[Path, str]]:
    """Fresh collections, sorted by name, without empty folders; and what is no folder, with a phrase that says so.

    Raises:
        CareBenchError: `results/collected` is no folder, or cannot be read.
    """
    folders, problems = listed(results / COLLECTED, "collection")
    return [folder for folder in folders if not _is_empty(folder)], problems


def pinned(results: Path) -> tuple[list[Path], dict[Path, str]]:
    """Pinned collections and everything else, as :func:`collected`; they may be damaged."""
    return listed(results / PINNED, "pin")


def _matches(folder: Path) -> bool:
    try:
        Manifest.load(folder).verify()
    except CareBenchError:
        return False
    return True


def _check_new(target: Path) -> None:
    if os.path.lexists(target):
        raise CareBenchError(f"{target} exists and a pin is never replaced; expected a new name")


def _is_empty(folder: Path) -> bool:
    """Say whether a folder holds nothing, as one that the workflow makes before its collection."""
    try:
        return not any(folder.iterdir())
    except OSError:
        return False
