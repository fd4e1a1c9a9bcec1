"""Remember that a prepared data set has been compared with its checksums: once per machine and content.

The stamp `.NAME.verified` lies beside the folder `NAME`. It names the start of the machine on which every byte was
read, the checksum of the data set, and the version of each file: size, times and inode. A changed or copied file has
another version, and a copied stamp another machine; neither is believed. Where no stamp can be written, every process
reads the files whole.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from care_bench.errors import CareBenchError
from care_bench.files import file_version, write_json
from care_bench.untrusted import read_json

MACHINES = 64
"""Most machines that a stamp names: of a store that many share, the last ones."""
SETTLED = 2.0
"""Seconds after which a file system gives a change another time than the last one, for certain."""

Versions = dict[str, str]
"""File -> its version."""


def versions(folder: Path, names: Iterable[str]) -> Versions | None:
    """Return the versions of files; None where one of them cannot be looked at, or may still change unseen."""
    found = {}
    for name in names:
        try:
            status = (folder / name).stat()
        except OSError:
            return None
        if time.time() - max(status.st_mtime, status.st_ctime) < SETTLED:
            return None
        found[name] = f"{status.st_size} {file_version(status)}"
    return found


def is_verified(folder: Path, sha256: str, found: Versions | None) -> bool:
    """Tell whether this machine has compared these versions of the files of a data set since it was started.

    Args:
        folder: of the data set.
        sha256: of the data set.
        found: as :func:`versions` returns them.
    """
    stamp = _read(folder)
    return found is not None and _says(stamp, sha256, found) and machine() in stamp["machines"]


def remember(folder: Path, sha256: str, found: Versions | None) -> None:
    """Write that the files have been compared; nothing is written where the folder is read-only, or they are new."""
    if found is None:
        return
    stamp = _read(folder)
    others = stamp["machines"] if _says(stamp, sha256, found) else []
    machines = [*(one for one in others if one != machine()), machine()][-MACHINES:]
    with suppress(CareBenchError):
        write_json(_stamp(folder), {"sha256": sha256, "files": found, "machines": machines})


def forget(folder: Path) -> None:
    """Remove the stamp of a data set, whose files have turned out to be damaged."""
    with suppress(OSError):
        _stamp(folder).unlink()


def machine() -> str:
    """Return what names this machine since it was started."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux
        return platform.node()


def _stamp(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.verified")


def _read(folder: Path) -> Any:
    try:
        return read_json(_stamp(folder), "expected a stamp")
    except CareBenchError:  # missing, or damaged
        return None


def _says(stamp: Any, sha256: str, found: Versions) -> bool:
    """Whether a stamp is of this data set with these versions of its files."""
    if not isinstance(stamp, dict) or not isinstance(stamp.get("machines"), list):
        return False
    return bool((stamp.get("sha256"), stamp.get("files")) == (sha256, found))
