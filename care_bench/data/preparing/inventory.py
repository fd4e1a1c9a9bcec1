"""Which of a user's files a data set was prepared from: names, sizes and hashes, so that others are not overlooked.

The list lies in the folder of the data set. Beside it, the stamp `.NAME.originals` is of the sizes and times of files
whose hashes were compared with the list: they are read again only where these differ or are not known.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from care_bench import plugins
from care_bench.data.preparing.conversion import worker_count
from care_bench.data.source import DatasetInfo
from care_bench.data.verified import SETTLED
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, file_version, sha256_bytes, write_bytes, write_text
from care_bench.progress import progress
from care_bench.untrusted import absent, decoding, read_bytes, read_json, sha256_of

NAME = "originals.json"
SHOWN = 2
"""Most names of each kind in a message."""

Status: TypeAlias = dict[str, os.stat_result | None]
"""File -> its size and times; None where it cannot be looked at."""
Inventory: TypeAlias = dict[str, tuple[int, str | None]]
"""File -> its size in bytes and its SHA-256; -1 and None where it cannot be read."""


def take(info: DatasetInfo, raw: Path) -> tuple[Inventory, Status]:
    """List the originals of a data set in a folder of raw data, with their hashes, and how they were before."""
    files = _originals(info, raw)
    status = _status(files)
    digests = _digests(info, files)
    return {name: (_size(status[name]), digests[name]) for name in files}, status


def write(found: Inventory, folder: Path) -> None:
    """Write a list to the folder of a data set; none where there are no originals."""
    if found:
        write_bytes(folder / NAME, canonical_json(found) + b"\n")


def refuse_others(info: DatasetInfo, folder: Path, raw: Path, skipped: Collection[str] = ()) -> None:
    """Refuse a folder of raw data with other originals than those that a data set was prepared from.

    Nothing is compared where there are none, or where the data set has no list of them.

    Args:
        info: the data set.
        folder: of the prepared data set.
        raw: folder of raw data.
        skipped: files that were left out as broken and may have been repaired since.

    Raises:
        CareBenchError: they are others; or the list is damaged.
    """
    if absent(folder / NAME) or not (files := _originals(info, raw)):
        return
    status = _status(files)
    if _is_known(folder, status):
        return
    before = _read(folder)
    kept, now = (set(names) - set(skipped) for names in (before, files))
    differ = {name for name in kept & now if before[name][0] != _size(status[name])}
    if kept == now and not differ:
        digests = _digests(info, files)
        differ = {name for name in kept if before[name][1] != digests[name]}
    found = [_named(*kind) for kind in (("new", now - kept), ("missing", kept - now), ("changed", differ)) if kind[1]]
    if found:
        raise CareBenchError(
            f"{folder} was prepared from other files than {raw} holds: {', '.join(found)}; expected the same files, or "
            f"delete {folder} to prepare it from these"
        )
    remember(folder, status)


def remember(folder: Path, status: Status) -> None:
    """Keep that the hashes of files agree with the list in a folder, unless they may still change unseen."""
    if not absent(folder / NAME) and (stamp := _stamp(folder, status)) is not None:
        with suppress(CareBenchError):
            write_text(_place(folder), stamp)


def _is_known(folder: Path, status: Status) -> bool:
    """Tell whether files are those for which the hashes have been compared."""
    try:
        return read_bytes(_place(folder), "expected a stamp").decode() == _stamp(folder, status)
    except (CareBenchError, UnicodeDecodeError):  # missing, or damaged
        return False


def _place(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.originals")


def _stamp(folder: Path, status: Status) -> str | None:
    """Return one hash of a list and of the sizes and times of files; None where one may still change unseen."""
    newest = time.time() - SETTLED
    found = {}
    for name, one in status.items():
        if one is None or max(one.st_mtime, one.st_ctime) > newest:
            return None
        found[name] = f"{one.st_size} {file_version(one)}"
    return sha256_bytes(read_bytes(folder / NAME, "expected a list of files") + canonical_json(found))


def _originals(info: DatasetInfo, raw: Path) -> Mapping[str, Path]:
    """Return the originals by name; none where there is no folder of raw data."""
    if info.originals is None or absent(raw):
        return {}
    with plugins.guarded(plugins.owner(plugins.DATASETS, info.name), "cannot list its files"):
        return info.originals(raw)


def _status(files: Mapping[str, Path]) -> Status:
    found: Status = {}
    for name, path in files.items():
        found[name] = None
        with suppress(OSError):
            found[name] = path.stat()
    return found


def _size(status: os.stat_result | None) -> int:
    return -1 if status is None else status.st_size


def _digests(info: DatasetInfo, files: Mapping[str, Path]) -> dict[str, str | None]:
    """Hash files, several at a time."""
    found: dict[str, str | None] = {}
    with ThreadPoolExecutor(worker_count()) as pool, progress(f"{info.name}: files hashed", len(files)) as advance:
        for done, (name, digest) in enumerate(zip(files, pool.map(_sha256, files.values()), strict=True), 1):
            found[name] = digest
            advance(done, "")
    return found


def _sha256(path: Path) -> str | None:
    try:
        return sha256_of(path, "expected a file")
    except CareBenchError:  # it is refused or left out when it is read
        return None


def _read(folder: Path) -> Inventory:
    path, expected = (
        folder / NAME,
        f"expected the files that {folder.name} was prepared from; delete {folder} to prepare it again",
    )
    content = read_json(path, expected)
    with decoding(path, expected):
        return {str(name): (int(size), digest) for name, (size, digest) in content.items()}


def _named(kind: str, names: Collection[str]) -> str:
    first = sorted(names)[:SHOWN]
    more = ", ..." if len(names) > len(first) else ""
    return f"{len(names)} {kind} ({', '.join(first)}{more})"
