"""What a source is: a registry entry, and a function that builds the arrays of both splits from raw files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from care_bench.names import Kind

Array: TypeAlias = npt.NDArray[Any]

UNLABELLED = -1
"""The ``class`` of a training sample without one: it is used for pretraining only."""


@dataclass(frozen=True)
class Raw:
    """Folders of a source: raw files, and unfinished work.

    Attributes:
        folder: the user's folder of raw data; downloads go there too.
        workspace: a folder for the source alone, on the file system of the store, in which no other process works. The
            source makes it when it needs it. It survives a stopped attempt, and is removed once the data set is in the
            store.
        skip_broken: leave unreadable files out and name them, instead of raising an error.
    """

    folder: Path
    workspace: Path
    skip_broken: bool = False


@dataclass(frozen=True, eq=False)
class SplitArrays:
    """The arrays of one split.

    Attributes:
        inputs: images uint8 (n, C, H, W), or point clouds float32 (n, P, 3). A memory map of a whole .npy file in the
            workspace is linked into the store instead of copied.
        labels: name -> array of n rows, int64, float32 or str. ``class`` is (n,) int64: numbers from 0, in the training
            split ``UNLABELLED`` too.
    """

    inputs: Array
    labels: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Built:
    """The arrays of a data set, and what its ``meta.json`` says about them.

    Attributes:
        train, test: the two splits.
        inputs: one line that describes the inputs, with their unit.
        source: where they come from.
        licence: the terms of use.
        split_rule: how training and test samples are told apart.
        skipped: names of raw files that were left out because they could not be read.
        selection: one line on what else was left out. Neither this nor ``skipped`` is part of the data's hash: the
            same samples are the same data, even if other files were there.
    """

    train: SplitArrays
    test: SplitArrays
    inputs: str
    source: str
    licence: str
    split_rule: str
    skipped: tuple[str, ...] = ()
    selection: str = ""

    @property
    def splits(self) -> dict[str, SplitArrays]:
        """Both splits by name, ``train`` first."""
        return {"train": self.train, "test": self.test}


@dataclass(frozen=True)
class DatasetInfo:
    """An entry of the registry.

    Attributes:
        name: what users write in a config; also the folder in the store.
        kind: of the inputs.
        title: the name to print in a report.
        how_to_get: one line on where the raw data comes from, and which files to put where without a network.
        labels: names of the labels of each split.
        build: makes the arrays from the raw data; the same files always give the same arrays.
        version: raise it whenever ``build`` gives other arrays, so that older stores are rebuilt.
        originals: for data sets of files that the user chooses: those in a folder of raw data by name, the one that
            ``Built.skipped`` has. ``prepare`` refuses a folder with others than those that the data set was made from.
    """

    name: str
    kind: Kind
    title: str
    how_to_get: str
    labels: tuple[str, ...]
    build: Callable[[Raw], Built]
    version: int = 1
    originals: Callable[[Path], Mapping[str, Path]] | None = None


def check_layout(info: DatasetInfo, built: Built) -> None:
    """Compare the arrays that a source built with what its registry entry says.

    Raises:
        ValueError: it is no ``Built``, or a shape, dtype or label is not as :class:`SplitArrays` and ``info`` say: a
            mistake in the source.
    """
    _check_types(info, built)
    dtype, ndim = (np.dtype("u1"), 4) if info.kind == "image" else (np.dtype("<f4"), 3)
    for part, split in built.splits.items():
        inputs = split.inputs
        if inputs.dtype != dtype or inputs.ndim != ndim or 0 in inputs.shape:
            raise ValueError(
                f"{info.name}: {info.kind} inputs are {inputs.dtype} {inputs.shape}, not {dtype} with {ndim} axes"
            )
        if set(split.labels) != set(info.labels):
            raise ValueError(f"{info.name}: labels are {sorted(split.labels)}, not {sorted(info.labels)}")
        for name, label in split.labels.items():
            if label.dtype not in (np.dtype("<i8"), np.dtype("<f4")) and label.dtype.kind != "U":
                raise ValueError(f"{info.name}: label {name} is {label.dtype}, not int64, float32 or str")
            rows = label.shape[0] if label.ndim else 0
            if rows != len(inputs):
                raise ValueError(f"{info.name}: label {name} has {rows} rows for {len(inputs)} inputs")
        if (classes := split.labels.get("class")) is not None:
            _check_classes(f"{info.name}: label class", classes, UNLABELLED if part == "train" else 0)
    if built.train.inputs.shape[1:] != built.test.inputs.shape[1:]:
        raise ValueError(f"{info.name}: train is {built.train.inputs.shape}, test is {built.test.inputs.shape}")


def _check_types(info: DatasetInfo, built: Built) -> None:
    if not isinstance(built, Built):
        raise ValueError(f"{info.name}: its source gives {type(built).__name__}, not care_bench.data.Built")
    for name, split in built.splits.items():
        if not isinstance(split, SplitArrays) or not isinstance(split.labels, Mapping):
            raise ValueError(f"{info.name}: {name} is not care_bench.data.SplitArrays with a mapping of labels")
        for key, rows in {"inputs": split.inputs, **split.labels}.items():
            if not isinstance(rows, np.ndarray):
                raise ValueError(f"{info.name}: {key} of {name} are {type(rows).__name__}, not an array of numpy")
    for key in ("inputs", "source", "licence", "split_rule", "selection"):
        if not isinstance(getattr(built, key), str):
            raise ValueError(f"{info.name}: {key} is {getattr(built, key)!r}, not a line of text")


def _check_classes(where: str, classes: Array, least: int) -> None:
    """Check the classes of a split, numbered from 0; ``least`` is the smallest number that is allowed."""
    if classes.dtype != np.dtype("<i8") or classes.ndim != 1:
        raise ValueError(f"{where} is {classes.dtype} {classes.shape}, not int64 with one axis")
    if classes.min() < least:
        raise ValueError(f"{where} holds {classes.min()}, not numbers of at least {least}")
    if classes.max() == UNLABELLED:
        raise ValueError(f"{where} holds {UNLABELLED} alone, not a class for some samples")
