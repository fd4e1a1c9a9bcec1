"""The batches of a run: the samples of each step, and their way to the device."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from care_bench.augmentations.transfer import to_device
from care_bench.data import Split
from care_bench.runs.randomness import epoch_order

RESIDENT_BYTES = 2**30
"""A split up to this size is kept whole on the device; a larger one is read from its memory map batch by batch."""
RESIDENT_SHARE = 0.25
"""Of a GPU's free memory, where that is more: a split of that size is kept whole too. The model needs the rest."""


class Batches:
    """The samples of step s, a fixed function of data set, seed and s; an epoch drops its last incomplete batch.

    Args:
        split: prepared samples.
        batch_size: samples per step.
        dataset: name of the data set; it and the seed determine the order of the samples.
        seed: pretraining seed.
        device: where batches go.
    """

    def __init__(self, split: Split, batch_size: int, dataset: str, seed: int, device: torch.device) -> None:
        self.inputs = split.inputs
        self.batch_size = batch_size
        self.identity = (dataset, seed)
        self.device = device
        self.per_epoch = len(split.inputs) // batch_size
        resident = split.inputs.nbytes <= _most_resident(device)
        self._resident = torch.from_numpy(np.array(split.inputs)).to(device) if resident else None
        self._order: tuple[int, Tensor] | None = None

    def rows(self, step: int) -> Tensor:
        """Return which samples the batch of a step holds, numbered from 0: (batch_size,) on the CPU."""
        epoch, position = divmod(step, self.per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, epoch_order(len(self.inputs), *self.identity, epoch)
        return self._order[1][position * self.batch_size : (position + 1) * self.batch_size]

    def take(self, rows: Tensor) -> Tensor:
        """Return samples on the device."""
        if self._resident is not None:
            return self._resident[to_device(rows, self.device)]
        return to_device(torch.from_numpy(self.inputs[rows.numpy()]), self.device)

    def prefetch(self, rows: Tensor) -> None:
        """Ask the system to read samples ahead from the disk.

        Otherwise a memory map is read page by page, and every first access waits. Does nothing if the samples are in
        memory or the system has no such call.
        """
        if self._resident is None and isinstance(self.inputs, np.memmap) and hasattr(os, "posix_fadvise"):
            size = self.inputs[0].nbytes
            with suppress(OSError), Path(str(self.inputs.filename)).open("rb") as file:
                for row in rows.tolist():
                    start = self.inputs.offset + row * size
                    os.posix_fadvise(file.fileno(), start, size, os.POSIX_FADV_WILLNEED)


def _most_resident(device: torch.device) -> int:
    """Return the bytes of the largest split that is kept whole on a device."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
    return max(RESIDENT_BYTES, int(RESIDENT_SHARE * free))
