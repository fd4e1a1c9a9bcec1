"""Parts of a split."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from care_bench.data.load import Split
from care_bench.data.source import UNLABELLED

ENTRY = "pdb_id"
"""Label with what samples were cut from, where a data set has it: they are no independent draws."""


def labelled(split: Split) -> Split:
    """Leave out samples without a class, which are for pretraining only."""
    classes = split.labels.get("class")
    return split if classes is None or (classes != UNLABELLED).all() else rows_of(split, classes != UNLABELLED)


def evenly_spaced(split: Split, most: int | None) -> Split:
    """Return at most so many samples, evenly spaced; all of them for None."""
    if most is None or most >= len(split):
        return split
    return rows_of(split, evenly_spaced_rows(len(split), most))


def evenly_spaced_rows(number: int, most: int | None) -> npt.NDArray[np.int64]:
    """Return at most so many places of a number of samples, evenly spaced; all of them for None."""
    most = number if most is None else min(most, number)
    return np.arange(most) * number // most


def every_second(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return a mask of every second sample of each class, the first one left out."""
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[1::2]] = True
    return chosen


def entries(split: Split) -> npt.NDArray[np.int64]:
    """Return (n,) whole numbers: samples cut from one PDB entry share one, all others have one of their own."""
    labels = split.labels.get(ENTRY)
    if labels is None:
        return np.arange(len(split))
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def rows_of(split: Split, rows: npt.NDArray[Any]) -> Split:
    """Return the samples at some places, in their order."""
    return Split(split.inputs[rows], {name: labels[rows] for name, labels in split.labels.items()})
