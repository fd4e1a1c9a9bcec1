"""Open a prepared data set, whose files this machine has compared with their sha256."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from care_bench.data import verified
from care_bench.data.preparing.numbers import first_not_finite
from care_bench.data.registry import DATASETS
from care_bench.data.source import Array, DatasetInfo
from care_bench.errors import CareBenchError, unknown
from care_bench.files import canonical_json, sha256_bytes
from care_bench.names import DATA, Kind
from care_bench.untrusted import is_damage, is_memory_short, open_regular, reason

FORMAT = 1  # of the folder; raised when it changes, so that older stores are rebuilt
META = "meta.json"
UNHASHED = ("sha256", "skipped", "selection")  # keys of meta.json that are not part of the data's hash


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a prepared data set.

    Attributes:
        inputs: read-only memory map; images uint8 (n, C, H, W), point clouds float32 (n, P, 3).
        labels: name -> array of n rows, in memory.
    """

    inputs: Array
    labels: dict[str, Array]

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, eq=False)
class PreparedDataset:
    """A data set whose files are unchanged since ``prepare`` wrote them.

    Attributes:
        name, kind: as in the registry.
        meta: the content of ``meta.json``.
        train, test: the two splits.
        sha256: of the canonical JSON of ``meta`` without the keys ``UNHASHED``; it identifies the content of all files.
        mean, std: per channel over the training images, with 255 counted as 1; empty for point clouds.
    """

    name: str
    kind: Kind
    meta: dict[str, Any]
    train: Split
    test: Split
    sha256: str
    mean: list[float]
    std: list[float]


def load(name: str, root: Path, verify: bool = False) -> PreparedDataset:
    """Open a prepared data set after comparing every file with its sha256, once per machine and content.

    Args:
        name: a data set of the registry.
        root: the store.
        verify: compare every file again, even if this machine has done so.

    Raises:
        CareBenchError: the name is unknown, a file is missing, truncated or changed, or holds a NaN or infinity; or the
            store was written by another version. The message says how to repair it.
    """
    info = find(name)
    folder = root / name
    meta = _read_meta(info, folder / META)
    # Before the files are read: a change meanwhile gives another version, which nobody believes later.
    found = verified.versions(folder, meta["files"])
    known = not verify and verified.is_verified(folder, meta["sha256"], found)
    try:
        arrays = {Path(file).stem: _open(info, folder / file, entry, known) for file, entry in meta["files"].items()}
        if not known and (wrong := not_finite(arrays)):
            raise _damaged(info, folder, f"holds {wrong}")
    except CareBenchError:
        verified.forget(folder)
        raise
    if not known:
        verified.remember(folder, meta["sha256"], found)
    train, test = (
        Split(arrays[f"{split}_inputs"], {label: np.array(arrays[f"{split}_label_{label}"]) for label in info.labels})
        for split in ("train", "test")
    )
    return PreparedDataset(
        name=name,
        kind=info.kind,
        meta=meta,
        train=train,
        test=test,
        sha256=meta["sha256"],
        mean=meta.get("mean", []),
        std=meta.get("std", []),
    )


def find(name: str) -> DatasetInfo:
    """Look up a data set in the registry.

    Raises:
        CareBenchError: no data set has this name; the message lists the known ones.
    """
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS)
    return DATASETS[name]


def file_names(info: DatasetInfo) -> set[str]:
    """Return the names of the array files of a data set."""
    stems = ("inputs", *(f"label_{label}" for label in info.labels))
    return {f"{split}_{stem}.npy" for split in ("train", "test") for stem in stems}


def not_finite(arrays: Mapping[str, Array]) -> str | None:
    """Name the first NaN or infinity in the float arrays, or return None."""
    for stem, array in arrays.items():
        if array.dtype.kind == "f" and (index := first_not_finite(array)) is not None:
            return f"{stem}[{', '.join(map(str, index))}] = {array[index]}, expected finite numbers"
    return None


def _damaged(info: DatasetInfo, path: Path, found: str) -> CareBenchError:
    root = next(folder.parent for folder in (path, *path.parents) if folder.name == info.name)
    where = "" if root == Path(DATA) else f" --data {shlex.quote(str(root))}"
    command = f"care-bench prepare {info.name}{where}"
    if not (root / info.name).exists():
        return CareBenchError(f"data set {info.name!r} is not prepared in {root}; prepare it with: {command}")
    return CareBenchError(f"data set {info.name!r}: {path} {found}; repair it with: {command}")


def is_intact(info: DatasetInfo, root: Path, verify: bool) -> bool:
    """Tell whether :func:`load` would open the data set."""
    try:
        load(info.name, root, verify)
    except CareBenchError:
        return False
    return True


def content_sha256(meta: dict[str, Any]) -> str:
    """Return the sha256 that identifies all files of a data set, from the content of its ``meta.json``."""
    return sha256_bytes(canonical_json({key: value for key, value in meta.items() if key not in UNHASHED}))


def _read_meta(info: DatasetInfo, path: Path) -> dict[str, Any]:
    try:
        with open_regular(path) as file:
            meta = json.load(file)
        digest = content_sha256(meta)
    except (FileNotFoundError, NotADirectoryError):
        raise _damaged(info, path, "is missing") from None
    except Exception as error:  # what is nested deeply raises RecursionError
        raise _failed(info, path, error, "is truncated or changed: not a JSON object") from error
    if meta.get("sha256") != digest:
        raise _damaged(info, path, f"is changed: its content has sha256 {digest}, it says {meta.get('sha256')}")
    expected = {"format": FORMAT, "name": info.name, "version": info.version}
    for key, value in expected.items():
        if meta.get(key) != value:
            raise _damaged(info, path, f"has {key} {meta.get(key)!r}, expected {value!r}")
    files = meta.get("files")
    if not isinstance(files, dict) or set(files) != file_names(info):
        listed = sorted(files) if isinstance(files, dict) else files
        raise _damaged(info, path, f"lists {listed}, expected {sorted(file_names(info))}")
    return meta  # type: ignore[no-any-return]


def _open(info: DatasetInfo, path: Path, entry: dict[str, Any], known: bool) -> Array:
    try:
        with open_regular(path) as file:
            size = path.stat().st_size
            if size < entry["bytes"]:
                raise _damaged(info, path, f"is truncated: {size} bytes, expected {entry['bytes']}")
            if not known and (digest := hashlib.file_digest(file, "sha256").hexdigest()) != entry["sha256"]:
                raise _damaged(info, path, f"is changed: sha256 {digest}, expected {entry['sha256']}")
            return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except CareBenchError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise _damaged(info, path, "is missing") from None
    except Exception as error:  # numpy raises several kinds
        raise _failed(info, path, error, f"is not an array numpy may open: {error}") from error


def _failed(info: DatasetInfo, path: Path, error: Exception, found: str) -> CareBenchError:
    """Build the error for a file that could not be read; ``found`` is what is said of a damaged one."""
    if is_memory_short(error):
        return CareBenchError(f"data set {info.name!r}: {reason(path, error)}")
    return _damaged(info, path, found if is_damage(error) else f"cannot be read: {getattr(error, 'strerror', error)}")
