"""The store: prepared arrays in ``root/<name>/``, and a ``meta.json`` with the sha256 of each of them.

A folder of the store is complete or absent: it is made under a temporary name, and renamed when it is finished.
Beside it, `.NAME.part` holds the new and the old folder while one process prepares the data set, which has its lock.
What a killed process has left there is removed by the next.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from care_bench import plugins
from care_bench.data.load import FORMAT, META, content_sha256, find, is_intact, not_finite
from care_bench.data.preparing import inventory
from care_bench.data.preparing.npy import write_npy
from care_bench.data.preparing.numbers import channel_statistics
from care_bench.data.source import Array, Built, DatasetInfo, Raw, check_layout
from care_bench.empty_folders import removing_empty
from care_bench.errors import CareBenchError
from care_bench.files import LOCK, locked, remove, sha256_file, write_atomic, write_json
from care_bench.unwritable import make_folder, writing

RAW = Path("results/raw")
"""The folder of raw data, unless the user names another one."""

OURS = re.compile(
    rf"{re.escape(META)}|{re.escape(inventory.NAME)}|(train|test)_(inputs|label_\w+)\.npy"
)  # files of the store


def prepare(name: str, root: Path, raw: Path = RAW, skip_broken: bool = False, verify: bool = False) -> Path:
    """Write a data set to the store, unless an intact one is there.

    If another process prepares it, this one waits, after a line on standard error.

    Args:
        name: a data set of the registry.
        root: the store; it is made if it is missing.
        raw: folder of raw data, for data sets that do not come with the package.
        skip_broken: leave out raw files that cannot be read; ``meta.json`` names them.
        verify: compare every byte there with its checksum, even if this machine has done so.

    Returns:
        The data set's folder, ``root / name``.

    Raises:
        CareBenchError: the name is unknown, raw data is missing or broken, the source has a NaN or infinity, the
            folder cannot be written or holds other files, the data set there lacks broken files and ``skip_broken``
            is not set, or it was prepared from other files than ``raw`` holds now. Nothing half-written is left
            except the source's workspace, where the next attempt continues.
    """
    info = find(name)
    folder, workspace = root / name, root / f".{name}.partial"
    place = _place(folder)
    current = False
    if not is_intact(info, root, verify) or _aside(place).exists() or workspace.exists():
        with _alone(place) as aside:
            if not is_intact(info, root, verify):  # another process may have been faster
                _refuse_foreign(info, folder)
                found, status = inventory.take(info, raw)  # first, so that a change while they are read is seen later
                _write(info, _build(info, Raw(raw, workspace, skip_broken)), found, place, aside, workspace)
                inventory.remember(folder, status)
                current = True
            shutil.rmtree(workspace, ignore_errors=True)
    if not skip_broken:
        _refuse_left_out(folder)
    if not current:
        inventory.refuse_others(info, folder, raw, _skipped(folder))
    return folder


def _place(folder: Path) -> Path:
    """Return where a folder of the store is, through a link, so that the link stays."""
    try:
        return folder.resolve() if folder.is_symlink() else folder
    except (OSError, RuntimeError):  # RuntimeError is pathlib's word for a loop of links
        raise CareBenchError(f"cannot write {folder}: it is a link that leads in a circle") from None


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.part")


@contextmanager
def _alone(place: Path) -> Iterator[Path]:
    """Wait until no other process prepares the data set, and yield the folder aside, without what was left in it."""
    aside = _aside(place)
    with removing_empty(place.parent):
        with writing(place):
            make_folder(aside)
        with locked(aside, wait=True):
            try:
                _clean(place, aside)
                yield aside
            finally:
                _clean(place, aside)
                shutil.rmtree(aside, ignore_errors=True)


def _clean(place: Path, aside: Path) -> None:
    """Put the old folder back if there is no new one, and remove what else is in the folder aside."""
    with writing(place):
        if (aside / "old").exists() and not place.exists():
            (aside / "old").rename(place)
        for left in aside.iterdir():
            if left.name != LOCK:  # ours
                remove(left)


def _build(info: DatasetInfo, raw: Raw) -> Built:
    """Build the arrays and check them; an error names the data set first.

    Another package's code may raise anything, which becomes one line. What ours does wrong is a mistake in it, and has
    its traceback.
    """
    package = plugins.owner(plugins.DATASETS, info.name)
    with plugins.guarded(package, "cannot be built"):
        try:
            built = info.build(raw)
        except CareBenchError as error:
            if str(error).startswith(f"{info.name}: "):
                raise
            raise CareBenchError(f"{info.name}: {error}") from error
    if isinstance(built, Built):
        _refuse_emptied(info, built)
    try:
        check_layout(info, built)
    except ValueError as error:
        if package is None:
            raise
        raise CareBenchError(f"{package} cannot be used: {error}; repair or uninstall the package") from error
    if found := not_finite(dict(_arrays(built))):
        raise CareBenchError(f"data set {info.name!r}: its source holds {found}")
    return built


def _refuse_left_out(folder: Path) -> None:
    """Refuse a data set that was prepared without broken files: they may have been repaired since."""
    if skipped := _skipped(folder):
        raise CareBenchError(
            f"{folder} was prepared leaving out {len(skipped)} broken files (named in {folder / META}); delete "
            f"{folder} to read the raw files again, or pass --skip-broken to keep it"
        )


def _skipped(folder: Path) -> list[str]:
    """Return the broken files that a data set was prepared without."""
    found: list[str] = json.loads((folder / META).read_bytes()).get("skipped", [])
    return found


def _refuse_foreign(info: DatasetInfo, folder: Path) -> None:
    """Refuse a folder with a file that no version of ``prepare`` writes."""
    where = f"cannot prepare {info.name!r} in {folder}"
    try:
        found = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise CareBenchError(f"{where}: {error.strerror}; expected a folder") from error
    for name in found:
        if not OURS.fullmatch(name):
            raise CareBenchError(f"{where}: {name} is not part of a data set; move it elsewhere")


def _refuse_emptied(info: DatasetInfo, built: Built) -> None:
    for name, split in built.splits.items():
        if built.skipped and len(split.inputs) == 0:
            raise CareBenchError(
                f"data set {info.name!r}: nothing is left of its {name} split after {len(built.skipped)} broken files "
                "were left out; expected readable files"
            )


def _write(
    info: DatasetInfo, built: Built, originals: inventory.Inventory, place: Path, aside: Path, workspace: Path
) -> None:
    with writing(place):
        new = aside / "new"
        new.mkdir()
        _write_files(info, built, new, workspace)
        inventory.write(originals, new)
        if place.exists():
            place.rename(aside / "old")
        new.rename(place)


def _write_files(info: DatasetInfo, built: Built, folder: Path, workspace: Path) -> None:
    files = {}
    for stem, array in _arrays(built):
        path = folder / f"{stem}.npy"
        if not _linked(array, path, workspace):
            write_npy(path, array.dtype, array.shape, [array])
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


def _linked(array: Array, path: Path, workspace: Path) -> bool:
    """Link ``array`` into the store if it is a memory map of a whole file in the workspace; return whether it is.

    The file stays in the workspace too, so that a later failure loses no work.
    """
    source = Path(str(array.filename)) if isinstance(array, np.memmap) else None
    if source is None or source.parent.resolve() != workspace.resolve():
        return False
    try:
        whole = np.load(source, mmap_mode="r", allow_pickle=False)
    except ValueError:  # not a .npy file
        return False
    if (array.dtype, array.shape, array.strides) != (whole.dtype, whole.shape, whole.strides):
        return False  # a view, such as some of the rows, has the name of the same file
    with source.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        os.link(source, path)
    except OSError:  # the store is on another disk, or the file system has no hard links
        with source.open("rb") as file:
            write_atomic(path, partial(shutil.copyfileobj, file))
    return True


def _arrays(built: Built) -> Iterator[tuple[str, Array]]:
    for name, split in built.splits.items():
        yield f"{name}_inputs", split.inputs
        for label, array in split.labels.items():
            yield f"{name}_label_{label}", array
