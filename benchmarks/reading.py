"""Steps over a split on the disk, with and without announcing the next batch to the system.

1.1 GB of images of 3 x 256 x 256, as ImageNet100 has them, in batches of 64. A step takes its batch, announces the next
one, and then sleeps as long as reading a batch takes without announcement, in place of the accelerator's work.
Without the announcement the memory map reads each page when it is touched. The system is advised to drop the file from
its cache after every batch, as it would a file larger than the memory; a system without that advice is not measured.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import Row, speedup
from care_bench.data import Split
from care_bench.training.batches import RESIDENT_BYTES, Batches

SHAPE, BATCH, STEPS = (3, 256, 256), 64, 8
FOLDER = Path("/var/tmp")  # on a disk, which /tmp often is not


def measure() -> list[Row]:
    """Write the split and time both ways of reading it."""
    if not hasattr(os, "posix_fadvise"):
        return []
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        path = Path(folder) / "inputs.npy"
        _write(path)
        seconds = _seconds(_steps(path, announce=False, pause=0.0)) / STEPS
        ours, reference = (_steps(path, announce, pause=seconds) for announce in (True, False))
        name = f"{STEPS} steps over images on the disk that are announced a step ahead, against reading them when taken"
        return [speedup(name, ours, reference, at_least=1.2, pairs=3)]


def _write(path: Path) -> None:
    rows = RESIDENT_BYTES // math.prod(SHAPE) + BATCH  # more than is kept on the device
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(rows, *SHAPE))
    images[:] = np.arange(rows, dtype=np.uint8)[:, None, None, None]
    images.flush()


def _steps(path: Path, announce: bool, pause: float) -> Callable[[], None]:
    def work() -> None:
        inputs = np.load(path, mmap_mode="r")
        batches = Batches(Split(inputs, {}), BATCH, "images", 0, torch.device("cpu"))
        with path.open("rb") as file:
            for step in range(STEPS):
                batches.take(batches.rows(step))
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                if announce:
                    batches.prefetch(batches.rows(step + 1))
                time.sleep(pause)

    return work


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
