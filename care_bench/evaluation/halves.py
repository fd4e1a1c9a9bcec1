"""Random halves of the test samples, and an encoder's embeddings of one, which protocols measure as they are.

A half is drawn without replacement (the delete-half jackknife; Shao and Wu 1989). A bootstrap sample would hold pairs
of one sample with itself, whose distance is 0 whatever the encoder is. The variance of a mean over random m of n
samples is that of the mean of all n times (n - m) / m, which is 1 for a half. What is fitted to test samples, such as
the maps of Wahba's problem, is fitted to those of the half.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from care_bench.data import PreparedDataset
from care_bench.data.subsets import entries, rows_of
from care_bench.evaluation.embedded import Embedded
from care_bench.runs.randomness import generator

_SAMPLES = {"test": 0, "augmented": 1, "composed": 1, "test_clouds": 1}
"""Part of the test split -> the dimension of its samples."""
_SOME = {"trajectories": ("trajectory_rows", 0), "single": ("single_rows", 1)}
"""Part of some test samples -> the part with their places, and the dimension of its samples."""
_TRAIN = ("train", "train_augmented", "train_clouds")
"""Parts of the training split, which stay whole."""


def halves(dataset: PreparedDataset, number: int) -> Iterator[Tensor]:
    """Yield the rows of random halves of the test split, in random order.

    They depend on the name of the data set and its test samples alone, so that all runs of a data set have the same.
    The order is random because some protocols measure the first few samples of a part.

    Args:
        dataset: cut to the samples that are measured.
        number: of halves.
    """
    of = torch.from_numpy(entries(dataset.test))
    count = int(of.max()) + 1
    draws = generator(dataset.name, "halves of the test samples", len(dataset.test))
    for _ in range(number):
        kept = torch.zeros(count, dtype=torch.bool)
        kept[torch.randperm(count, generator=draws)[: count // 2]] = True
        order = torch.randperm(len(of), generator=draws)
        yield order[kept[of[order]]]


def embedded_half(whole: Embedded, rows: Tensor) -> Embedded:
    """Return what protocols see of some test samples; what is fitted to training samples is that of ``whole``.

    Args:
        whole: one representation of an encoder.
        rows: (k,) places among the test samples; the rows of every part are in this order.
    """

    def part(name: str) -> Tensor:
        if name in _TRAIN:
            return whole.part(name)
        if name in dict(_SOME.values()):
            return torch.isin(rows, whole.part(name)).nonzero()[:, 0]
        if name in _SAMPLES:
            places, dimension = rows, _SAMPLES[name]
        elif name in _SOME:
            of, dimension = _SOME[name]
            places = _places(whole.part(of), rows)
        else:
            raise ValueError(f"{name} is not measured on a part of the test samples")
        found = whole.part(name)
        return found.index_select(dimension, places.to(found.device))

    test = rows_of(whole.dataset.test, rows.numpy())
    return replace(whole, dataset=replace(whole.dataset, test=test), part=part)


def _places(of: Tensor, rows: Tensor) -> Tensor:
    """Return the places in ``of`` of those rows that are in it, in the order of the rows."""
    known = {row: place for place, row in enumerate(of.tolist())}
    return torch.tensor([known[row] for row in rows.tolist() if row in known], dtype=torch.long)
