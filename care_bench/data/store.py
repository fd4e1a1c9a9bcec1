"""The store: prepared arrays in ``root/<name>/``, and a ``meta.json`` with the sha256 of every one of them.

A folder of the store is whole or not there: it is made beside its place and renamed into it.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from care_bench.data.numbers import channel_statistics
from care_bench.data.prepared import FORMAT, META, find, is_intact, not_finite
from care_bench.data.source import Array, Built, DatasetInfo, check_layout
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, sha256_bytes, sha256_file, write_atomic, write_json

OURS = re.compile(rf"{re.escape(META)}|(train|test)_(inputs|label_\w+)\.npy")


def prepare(name: str, root: Path) -> Path:
    """Write a data set to the store, unless it is there and intact.

    Args:
        name: a data set of the registry.
        root: the store; made where missing.

    Returns:
        The data set's folder, ``root / name``.

    Raises:
        CareBenchError: the name is unknown, the source has a NaN or infinity, the folder holds something else, or it
            cannot be written. Nothing half-written is left.
    """
    info = find(name)
    folder = root / name
    if not is_intact(info, root):
        _refuse_foreign(info, folder)
        built = info.build()
        check_layout(info, built)
        if found := not_finite(dict(_arrays(built))):
            raise CareBenchError(f"data set {name!r}: its source holds {found}")
        _write(info, built, root)
    return folder


def _refuse_foreign(info: DatasetInfo, folder: Path) -> None:
    """Never replace what ``prepare`` did not write, in this version or another."""
    where = f"cannot prepare {info.name!r} in {folder}"
    try:
        found = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise CareBenchError(f"{where}: {error.strerror}; expected a folder") from error
    for name in found:
        if not OURS.fullmatch(name):
            raise CareBenchError(f"{where}: {name} is not part of a data set; move it elsewhere")


def _write(info: DatasetInfo, built: Built, root: Path) -> None:
    place = (root / info.name).resolve()  # through a link, so that the link stays
    workspace = place.parent / f".{info.name}.{secrets.token_hex(4)}.part"
    try:
        new, old = workspace / "new", workspace / "old"
        new.mkdir(parents=True)
        _write_files(info, built, new)
        if not is_intact(info, root):  # another process may have been faster
            if place.exists():
                place.rename(old)
            new.rename(place)
    except OSError as error:
        found = error.strerror or error
        raise CareBenchError(f"cannot write {place}: {found}; expected a writable folder with space left") from error
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _write_files(info: DatasetInfo, built: Built, folder: Path) -> None:
    files = {}
    for stem, array in _arrays(built):
        path = folder / f"{stem}.npy"
        write_atomic(path, partial(np.save, arr=np.ascontiguousarray(array), allow_pickle=False))
        files[path.name] = {
            "sha256": sha256_file(path),
            "bytes": path.stat().st_size,
            "shape": list(array.shape),
            "dtype": str(array.dtype),
        }
    meta: dict[str, Any] = {
        "format": FORMAT,
        "name": info.name,
        "version": info.version,
        "kind": info.kind,
        "inputs": built.inputs,
        "source": built.source,
        "licence": built.licence,
        "split": {"rule": built.split_rule, "train": len(built.train.inputs), "test": len(built.test.inputs)},
        "files": files,
    }
    if info.kind == "image":
        meta["mean"], meta["std"] = channel_statistics(built.train.inputs)
    write_json(folder / META, {**meta, "sha256": sha256_bytes(canonical_json(meta))})


def _arrays(built: Built) -> Iterator[tuple[str, Array]]:
    for side, split in (("train", built.train), ("test", built.test)):
        yield f"{side}_inputs", split.inputs
        for label, array in split.labels.items():
            yield f"{side}_label_{label}", array
