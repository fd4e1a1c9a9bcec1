"""Pinned collections: copies under a manifest, which a report refuses when a file has changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from care_bench.artifacts.collection import (
    COLLECTED,
    CSV,
    PARQUET,
    PINNED,
    PROFILE,
    Collection,
    encode,
    read_collection,
)
from care_bench.artifacts.manifest import Manifest
from care_bench.errors import CareBenchError, unknown
from care_bench.files import write_bytes, writing
from care_bench.names import check_file_name


def pin(results: Path, name: str, collection: str) -> Path:
    """Copy a collection to `results/pinned/<name>`, with its profile if it has one, and write its manifest.

    Args:
        results: the results folder.
        name: name of the pin, a plain folder name.
        collection: the collection below `results/collected` to copy.

    Returns:
        The pinned folder.

    Raises:
        CareBenchError: the pin exists (pins are never replaced), the name is no folder name, there is no such
            collection, or its two files disagree.
    """
    check_file_name("pin", name)
    target = results / PINNED / name
    if target.exists() or target.is_symlink():
        raise CareBenchError(f"{target} exists and a pin is never replaced; expected a new name")
    source = results / COLLECTED / collection
    if source not in collected(results):
        raise unknown("collection", collection, (folder.name for folder in collected(results)))
    content = read_collection(source)
    if not (source / CSV).is_file() or (source / CSV).read_bytes() != encode(content.records)[CSV]:
        raise CareBenchError(f"{source / CSV} does not hold the records of {PARQUET}; collect again before pinning")
    with _folder_beside(target) as folder:
        for file in (CSV, PARQUET):
            write_bytes(folder / file, (source / file).read_bytes())
        if (source / PROFILE).is_file():
            write_bytes(folder / PROFILE, (source / PROFILE).read_bytes())
        Manifest.of(folder, _about(content)).save()
    return target


def verify_all(results: Path) -> int:
    """Check every pinned collection against its manifest.

    Returns:
        Number of files verified, over all pins.

    Raises:
        CareBenchError: one line naming every missing, added or changed file, and every absent or damaged manifest.
    """
    problems: list[str] = []
    verified = 0
    for folder in pinned(results):
        try:
            manifest = Manifest.load(folder)
        except CareBenchError as error:
            problems.append(str(error))
            continue
        problems += manifest.differences().lines(folder)
        problems += [f"missing {folder / PARQUET}"] if PARQUET not in manifest.files else []
        verified += len(manifest.files)
    if problems:
        raise CareBenchError(f"pinned results do not match their manifests: {'; '.join(problems)}")
    return verified


def read_pin(folder: Path) -> Collection:
    """Read a pinned collection, which the caller has verified."""
    date = Manifest.load(folder).about.get("date")
    return read_collection(folder, date if isinstance(date, str) else "an unknown date")


def collected(results: Path) -> list[Path]:
    """Folders of the fresh collections, sorted by name."""
    return sorted(path.parent for path in (results / COLLECTED).glob(f"*/{PARQUET}"))


def pinned(results: Path) -> list[Path]:
    """Folders of the pinned collections, sorted by name; they may be damaged."""
    return sorted(path for path in (results / PINNED).glob("*") if path.is_dir())


def _about(collection: Collection) -> dict[str, str | list[str]]:
    return {
        "profile": collection.profile,
        "code_versions": sorted({record.code_version for record in collection.records}),
        "date": datetime.now(UTC).date().isoformat(),
    }


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """Fill a hidden folder, then rename it to ``target``: a pin is complete or absent."""
    folder = target.parent.parent / f".pin-{target.name}"
    try:
        with writing(target):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            yield folder
            target.parent.mkdir(exist_ok=True)
            folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
