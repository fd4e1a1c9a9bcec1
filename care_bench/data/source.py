"""What a data source hands to the store, and how it introduces itself in the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Kind: TypeAlias = Literal["image", "point_cloud"]

_LABEL_TYPES = {"i": np.dtype("<i8"), "f": np.dtype("<f4"), "U": None}


UNLABELLED = -1
"""The ``class`` of a training sample without one: it is pretrained on, and no classifier sees it."""


@dataclass(frozen=True)
class Raw:
    """Where a source finds what the user has, and where it may keep unfinished work.

    Attributes:
        folder: the user's folder of raw data; a source with something to download looks there first.
        workspace: folder of the source's own that outlives a stopped attempt, on the file system of the store; not
            made yet. It is removed once the data set is in the store.
        skip_broken: whether unreadable files are left out, counted and named, instead of ending the attempt.
    """

    folder: Path
    workspace: Path
    skip_broken: bool = False


@dataclass(frozen=True, eq=False)
class SplitArrays:
    """One side of a data set.

    Attributes:
        inputs: images uint8 (n, C, H, W), or point clouds float32 (n, P, 3). A memory map of a whole .npy file in the
            workspace is taken over as it is, without a copy.
        labels: name -> array of n rows, int64, float32 or str.
    """

    inputs: Array
    labels: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Built:
    """A data set in memory, with what a reader of its ``meta.json`` has to know.

    Attributes:
        train, test: the two sides.
        inputs: one line on what the inputs are, with their unit.
        source: where they come from.
        licence: under which terms.
        split_rule: how the two sides were told apart.
        skipped: raw files that were left out because they could not be read.
        selection: one line on what else was left out of the files at hand. Neither is part of the data's hash: the
            same samples are the same data, whatever lay beside them.
    """

    train: SplitArrays
    test: SplitArrays
    inputs: str
    source: str
    licence: str
    split_rule: str
    skipped: tuple[str, ...] = ()
    selection: str = ""


@dataclass(frozen=True)
class DatasetInfo:
    """An entry of the registry.

    Attributes:
        name: what users write in a config, and the name of the folder in the store.
        kind: what the inputs are.
        title: the name to print in a report.
        how_to_get: one line on where the raw data comes from, and what to put where without a network.
        labels: names of the labels each side carries.
        build: makes the arrays from the raw data; always the same ones from the same files.
        version: raised whenever ``build`` gives other arrays, so that older stores are rebuilt.
    """

    name: str
    kind: Kind
    title: str
    how_to_get: str
    labels: tuple[str, ...]
    build: Callable[[Raw], Built]
    version: int = 1


def check_layout(info: DatasetInfo, built: Built) -> None:
    """Hold the arrays a source built against what its registry entry promises.

    Raises:
        ValueError: a shape, dtype or label is not as :class:`SplitArrays` and ``info`` say; the source has a mistake.
    """
    dtype, ndim = (np.dtype("u1"), 4) if info.kind == "image" else (np.dtype("<f4"), 3)
    for split in (built.train, built.test):
        inputs = split.inputs
        if inputs.dtype != dtype or inputs.ndim != ndim or 0 in inputs.shape:
            raise ValueError(
                f"{info.name}: {info.kind} inputs are {inputs.dtype} {inputs.shape}, not {dtype} with {ndim} axes"
            )
        if set(split.labels) != set(info.labels):
            raise ValueError(f"{info.name}: labels are {sorted(split.labels)}, not {sorted(info.labels)}")
        for name, label in split.labels.items():
            if label.dtype.kind not in _LABEL_TYPES or _LABEL_TYPES[label.dtype.kind] not in (None, label.dtype):
                raise ValueError(f"{info.name}: label {name} is {label.dtype}, not int64, float32 or str")
            if len(label) != len(inputs):
                raise ValueError(f"{info.name}: label {name} has {len(label)} rows for {len(inputs)} inputs")
    if built.train.inputs.shape[1:] != built.test.inputs.shape[1:]:
        raise ValueError(f"{info.name}: train is {built.train.inputs.shape}, test is {built.test.inputs.shape}")
