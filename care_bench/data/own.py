"""A user's own data, read where it lies: a folder of images, class folders, or arrays of numpy.

What is read is a data set like a prepared one, but in memory, and labels are optional.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from care_bench.data.load import PreparedDataset, Split, not_finite
from care_bench.data.own_folder import listed
from care_bench.data.own_images import read_folder
from care_bench.data.preparing.numbers import channel_statistics
from care_bench.data.source import Array
from care_bench.data.subsets import evenly_spaced, every_second, rows_of
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, sha256_bytes
from care_bench.names import FILE_NAME, Kind
from care_bench.untrusted import absent, decoding, open_regular

Part: TypeAlias = Literal["train", "test"]
MOST_CLASSES = 100_000
"""Classes are numbered from 0 to at most this."""
LEAST = 2
"""Fewest samples of a split."""
OFF_CENTRE = 0.1
"""Distance of point clouds from the origin, relative to their radius, from which on it is said."""
ARRAYS = (".npy", ".npz")
INPUTS, LABELS = ("inputs", "images", "points", "x"), ("class", "labels", "y")
"""Names of arrays in a .npz file; `train_inputs` or `x_train` is an array of one split."""
EXPECTED = "expected images (n, H, W), (n, H, W, C) or (n, C, H, W), C = 1 or 3, or point clouds (n, P, 3)"


def read_own(path: Path, most: int | None = None, skip_broken: bool = False) -> PreparedDataset:
    """Read a folder of images, or arrays.

    Args:
        path: a folder of JPEG, PNG, BMP or WebP images, itself or with one folder per class; with `train` and `test`
            folders for the two splits, or others that :mod:`care_bench.data.own_folder` names; or a .npy or .npz file.
            Without two splits, every second sample of a class is a test sample.
        most: most samples of each split that are read, evenly spaced; None for all.
        skip_broken: leave out images that cannot be read, instead of raising an error.

    Returns:
        The data set, with label `class` where there are labels. Its name is that of the folder or file. `meta["notes"]`
        are lines on what was not read, if anything.

    Raises:
        CareBenchError: nothing there, too few samples, a file that cannot be read, or arrays of another shape.
    """
    place = Path(os.path.abspath(path))  # not resolved: a link gives its own name  # noqa: PTH100
    name = place.stem if path.suffix in ARRAYS else place.name
    if not FILE_NAME.fullmatch(name):
        raise CareBenchError(
            f"{path}: a data set cannot have the name {name!r}; expected ASCII letters, digits, '.', '_', '-': rename "
            "it, or make a link to it with such a name (ln -s) and give that"
        )
    if path.suffix in ARRAYS and not absent(path):
        splits, rule, notes = _arrays(path, most)
    elif path.is_dir():
        splits, rule, notes = _images(path, most, skip_broken)
    else:
        raise CareBenchError(f"{path}: no such folder or array file; expected a folder of images, or .npy or .npz")
    _check_splits(path, splits, "".join(f"; {note}" for note in notes.get("notes", [])))
    kind: Kind = "image" if splits["train"].inputs.ndim == 4 else "point_cloud"
    arrays = {f"{part}_inputs": split.inputs for part, split in splits.items()}
    arrays |= {f"{part}_label_{key}": rows for part, split in splits.items() for key, rows in split.labels.items()}
    if found := not_finite(arrays):
        raise CareBenchError(f"{path}: {found}")
    if kind == "point_cloud" and (note := _off_centre(np.concatenate([split.inputs for split in splits.values()]))):
        notes["notes"] = [*notes.get("notes", []), note]
    files = {
        key: {"dtype": str(rows.dtype), "shape": list(rows.shape), "sha256": _hash(rows)}
        for key, rows in arrays.items()
    }
    meta: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "source": "the user's own data",
        "split_rule": rule,
        "files": files,
    }
    mean, std = channel_statistics(splits["train"].inputs) if kind == "image" else ([], [])
    return PreparedDataset(
        name=name,
        kind=kind,
        meta={**meta, **notes},
        train=splits["train"],
        test=splits["test"],
        sha256=sha256_bytes(canonical_json(meta)),
        mean=mean,
        std=std,
    )


def _hash(rows: Array) -> str:
    return sha256_bytes(np.ascontiguousarray(rows).tobytes())


def _images(path: Path, most: int | None, skip_broken: bool) -> tuple[dict[Part, Split], str, dict[str, Any]]:
    folder = read_folder(path, most, skip_broken)
    notes: dict[str, Any] = {"skipped": list(folder.skipped)} if folder.skipped else {}
    notes |= {"notes": list(folder.notes)} if folder.notes else {}
    halved = "every second image of a class, in the order of names, is a test image"
    return (
        {"train": folder.train, "test": folder.test},
        halved if folder.halved else "as the folder has it",
        notes,
    )


def _arrays(path: Path, most: int | None) -> tuple[dict[Part, Split], str, dict[str, Any]]:
    with decoding(path, "expected arrays as numpy.save or numpy.savez writes them"), open_regular(path) as file:
        loaded = np.load(file, allow_pickle=False)
        found = {"inputs": loaded} if isinstance(loaded, np.ndarray) else {key: loaded[key] for key in loaded.files}
    whole, train, test = (_split(path, found, part) for part in ("", "train", "test"))
    if train is not None and test is not None:
        if train.inputs.shape[1:] != test.inputs.shape[1:]:
            shapes = f"{train.inputs.shape} and {test.inputs.shape}"
            raise CareBenchError(f"{path}: train and test have shapes {shapes}; expected samples of one shape")
        notes = _unread(found, ("train", "test"))
        return {"train": evenly_spaced(train, most), "test": evenly_spaced(test, most)}, "as the file has it", notes
    if whole is None:
        names = ", ".join(sorted(found)) or "nothing"
        raise CareBenchError(
            f"{path}: holds {names}; expected `inputs`, and `class` if there are labels, or `train_inputs` and "
            "`test_inputs`"
        )
    second = every_second(whole.labels.get("class", np.zeros(len(whole), dtype=np.int64)))
    train, test = (evenly_spaced(rows_of(whole, rows), most) for rows in (~second, second))
    return {"train": train, "test": test}, "every second sample is a test sample", _unread(found, ("",))


def _split(path: Path, found: Mapping[str, Array], part: str) -> Split | None:
    """Return the arrays of one split, of the whole data for the part "", or None where there are none."""
    inputs = _named(found, INPUTS, part)
    if inputs is None:
        return None
    rows = _inputs(path, inputs)
    label = _named(found, LABELS, part)
    if label is None:
        return Split(rows, {})
    if label.shape != (len(rows),) or label.dtype.kind not in "iu" or label.min(initial=0) < 0:
        found_label = f"{label.dtype} {label.shape}"
        raise CareBenchError(
            f"{path}: labels are {found_label}; expected {len(rows)} whole numbers from 0, one a sample"
        )
    if label.max(initial=0) >= MOST_CLASSES:
        raise CareBenchError(
            f"{path}: a label is {label.max()}; expected classes numbered from 0, below {MOST_CLASSES}"
        )
    return Split(rows, {"class": label.astype(np.int64)})


def _named(found: Mapping[str, Array], names: tuple[str, ...], part: str) -> Array | None:
    return next((found[key] for key in _keys(names, part) if key in found), None)


def _keys(names: tuple[str, ...], part: str) -> list[str]:
    """Return what an array of one split can be called, of the whole data for the part ""."""
    return [form for name in names for form in ((f"{part}_{name}", f"{name}_{part}") if part else (name,))]


def _unread(found: Mapping[str, Array], parts: tuple[str, ...]) -> dict[str, Any]:
    """Return a note on the arrays that are not read, with the name that is missing and was perhaps meant."""
    wanted = [_keys(names, part) for part in parts for names in (INPUTS, LABELS)]
    read = {next((key for key in keys if key in found), None) for keys in wanted}
    missing = [key for keys in wanted if not found.keys() & keys for key in keys]
    unread = []
    for name in sorted(found.keys() - read):
        near = get_close_matches(name, missing, n=1)
        unread.append(repr(name) + (f" (did you mean {near[0]!r}?)" if near else ""))
    return {"notes": [f"unknown arrays are not read: {listed(unread)}"]} if unread else {}


def _inputs(path: Path, array: Array) -> Array:
    """Return images uint8 (n, C, H, W), or point clouds float32 (n, P, 3)."""
    given = f"{array.dtype} {array.shape}"
    if 0 in array.shape:
        raise CareBenchError(f"{path}: an array is {given}, which is empty; {EXPECTED}")
    if array.ndim == 3 and array.shape[2] == 3 and array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in (1, 3) and array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise CareBenchError(f"{path}: an array is {given}; {EXPECTED}")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind == "f" and np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1:
        return np.ascontiguousarray(np.rint(array * 255).astype(np.uint8))
    found = (
        f"{array.dtype} with NaN or infinity"
        if array.dtype.kind == "f" and not np.isfinite(array).all()
        else (
            f"{array.dtype} from {array.min():g} to {array.max():g}" if array.dtype.kind in "fiu" else str(array.dtype)
        )
    )
    raise CareBenchError(f"{path}: images are {found}; expected uint8, or floating point within 0 and 1")


def _off_centre(clouds: Array) -> str | None:
    """Return a note on point clouds (n, P, 3) that do not lie about the origin, about which they are rotated."""
    centres = clouds.mean(axis=1, keepdims=True, dtype=np.float64)
    offset, radius = (float(np.sqrt(np.square(part).sum(axis=2).mean())) for part in (centres, clouds - centres))
    if offset <= OFF_CENTRE * radius:
        return None
    return (
        f"point clouds lie {offset:.3g} from the origin, about which they are rotated, and have a radius of "
        f"{radius:.3g}, so that their centres move too; centre them to measure rotations alone"
    )


def _check_splits(path: Path, splits: Mapping[Part, Split], notes: str) -> None:
    train, test = splits["train"], splits["test"]
    if min(len(train), len(test)) < LEAST:
        raise CareBenchError(
            f"{path}: {len(train)} train and {len(test)} test samples; expected at least {LEAST} of each{notes}"
        )
    if set(train.labels) != set(test.labels):
        raise CareBenchError(f"{path}: one split has labels, the other has none; expected both or neither{notes}")
