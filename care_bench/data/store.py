"""The store: prepared arrays in ``root/<name>/``, and a ``meta.json`` with the sha256 of every one of them.

A folder of the store is whole or not there: it is made beside its place and renamed into it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from care_bench.data.numbers import channel_statistics
from care_bench.data.prepared import FORMAT, META, content_sha256, find, is_intact, not_finite
from care_bench.data.source import Array, Built, DatasetInfo, Raw, check_layout
from care_bench.errors import CareBenchError
from care_bench.files import sha256_file, write_atomic, write_json

OURS = re.compile(rf"{re.escape(META)}|(train|test)_(inputs|label_\w+)\.npy")


RAW = Path("results/raw")
"""Where raw data is looked for, and downloaded to, unless the user names another folder."""


def prepare(name: str, root: Path, raw: Path = RAW, skip_broken: bool = False) -> Path:
    """Write a data set to the store, unless it is there and intact.

    Args:
        name: a data set of the registry.
        root: the store; made where missing.
        raw: folder of raw data, for the data sets that do not come with the package.
        skip_broken: leave out raw files that cannot be read; ``meta.json`` names them.

    Returns:
        The data set's folder, ``root / name``.

    Raises:
        CareBenchError: the name is unknown, raw data is missing or broken, the source has a NaN or infinity, the
            folder holds something else, or it cannot be written; or what is there was made leaving out files, and
            ``skip_broken`` is not set. Nothing half-written is left, but for the source's own workspace, with which the
            next attempt continues.
    """
    info = find(name)
    folder = root / name
    if is_intact(info, root):
        if not skip_broken:
            _refuse_left_out(folder)
    else:
        _refuse_foreign(info, folder)
        workspace = root / f".{name}.partial"
        built = info.build(Raw(raw, workspace, skip_broken))
        _refuse_emptied(info, built)
        check_layout(info, built)
        if found := not_finite(dict(_arrays(built))):
            raise CareBenchError(f"data set {name!r}: its source holds {found}")
        _write(info, built, root, workspace)
    shutil.rmtree(root / f".{name}.partial", ignore_errors=True)
    return folder


def _refuse_left_out(folder: Path) -> None:
    """Never pass a set without some files for the whole one: they may have been repaired since."""
    if skipped := json.loads((folder / META).read_bytes()).get("skipped"):
        raise CareBenchError(
            f"{folder} was prepared leaving out {len(skipped)} broken files (named in {folder / META}); delete "
            f"{folder} to read the raw files again, or say --skip-broken to keep it"
        )


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


def _refuse_emptied(info: DatasetInfo, built: Built) -> None:
    for side, split in (("train", built.train), ("test", built.test)):
        if built.skipped and len(split.inputs) == 0:
            raise CareBenchError(
                f"data set {info.name!r}: nothing is left of its {side} split after {len(built.skipped)} broken files "
                "were left out; expected readable files"
            )


def _write(info: DatasetInfo, built: Built, root: Path, workspace: Path) -> None:
    place = (root / info.name).resolve()  # through a link, so that the link stays
    aside = place.parent / f".{info.name}.{secrets.token_hex(4)}.part"
    try:
        new, old = aside / "new", aside / "old"
        new.mkdir(parents=True)
        _write_files(info, built, new, workspace)
        if not is_intact(info, root):  # another process may have been faster
            if place.exists():
                place.rename(old)
            new.rename(place)
    except OSError as error:
        found = error.strerror or error
        raise CareBenchError(f"cannot write {place}: {found}; expected a writable folder with space left") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_files(info: DatasetInfo, built: Built, folder: Path, workspace: Path) -> None:
    files = {}
    for stem, array in _arrays(built):
        path = folder / f"{stem}.npy"
        if not _taken_over(array, path, workspace):
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
    if built.skipped:
        meta["skipped"] = list(built.skipped)
    if built.selection:
        meta["selection"] = built.selection
    if info.kind == "image":
        meta["mean"], meta["std"] = channel_statistics(built.train.inputs)
    write_json(folder / META, {**meta, "sha256": content_sha256(meta)})


def _taken_over(array: Array, path: Path, workspace: Path) -> bool:
    """Give a file of the workspace a second name in the store, so that a failure after this loses no work."""
    source = Path(str(array.filename)) if isinstance(array, np.memmap) else None
    if source is None or source.parent.resolve() != workspace.resolve():
        return False
    with source.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        os.link(source, path)
    except OSError:  # the place is a link to another disk, or a file system without second names
        with source.open("rb") as file:
            write_atomic(path, partial(shutil.copyfileobj, file))
    return True


def _arrays(built: Built) -> Iterator[tuple[str, Array]]:
    for side, split in (("train", built.train), ("test", built.test)):
        yield f"{side}_inputs", split.inputs
        for label, array in split.labels.items():
            yield f"{side}_label_{label}", array
