"""Opening a prepared data set of 1.1 GB whose bytes this machine has compared with their checksums, or has not."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import Row, speedup
from care_bench.data import DATASETS, Built, DatasetInfo, Raw, SplitArrays, load, prepare
from care_bench.data.verified import SETTLED

NAME, SHAPE, ROWS = "opened", (3, 64, 64), 87_000
FOLDER = Path("/var/tmp")


def measure() -> list[Row]:
    """Prepare the data set and time both ways of opening it."""
    DATASETS.data[NAME] = DatasetInfo(NAME, "image", "Opened", "made here", ("class",), _build)
    try:
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            root = Path(folder)
            prepare(NAME, root)
            time.sleep(SETTLED)
            load(NAME, root)
            name = "opening 1.1 GB of data that this machine has verified, against comparing every byte"
            again = speedup(name, lambda: load(NAME, root), lambda: load(NAME, root, verify=True), at_least=50, pairs=3)
            return [again]
    finally:
        del DATASETS.data[NAME]


def _build(raw: Raw) -> Built:
    def split(rows: int) -> SplitArrays:
        images = np.empty((rows, *SHAPE), np.uint8)
        images[:] = np.arange(rows, dtype=np.uint8)[:, None, None, None]
        return SplitArrays(images, {"class": np.arange(rows) % 10})

    return Built(split(ROWS), split(1000), inputs="images", source="made here", licence="CC0 1.0", split_rule="none")
