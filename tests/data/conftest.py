"""Small data sets, and readers of files that need no processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from care_bench.data import DATASETS, Built, DatasetInfo, Raw, SplitArrays, prepare
from care_bench.data.preparing import conversion

RAW = Raw(Path("raw"), Path("workspace"))
TINY_FILES = {
    *("train_inputs.npy", "train_label_weight.npy", "test_inputs.npy", "test_label_weight.npy"),
    "meta.json",
}
"""Files of the prepared data set "tiny"."""


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all embedded data sets; tests only read it."""
    root = tmp_path_factory.mktemp("store")
    for name in ("digits", "tinted_digits", "proteins"):
        prepare(name, root)
    return root


@pytest.fixture
def read_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files in threads: processes are tested in `test_conversion.py`, and with every data set at the end."""

    @contextmanager
    def pool(workers: int) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor(workers) as found:
            yield found

    monkeypatch.setattr(conversion, "_pool", pool)


def build_tiny(raw: Raw) -> Built:
    def split(n: int) -> SplitArrays:
        return SplitArrays(
            np.arange(n * 6, dtype=np.float32).reshape(n, 2, 3), {"weight": np.linspace(0, 1, n, dtype=np.float32)}
        )

    return Built(split(500), split(50), inputs="counts", source="made here", licence="CC0 1.0", split_rule="none")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> DatasetInfo:
    """A data set "tiny" in the registry: float inputs that count up, and weights from 0 to 1."""
    info = DatasetInfo("tiny", "point_cloud", "Tiny", "nothing to fetch", ("weight",), build_tiny)
    monkeypatch.setitem(DATASETS, "tiny", info)
    return info
