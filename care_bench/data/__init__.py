"""Data sets as memory-mapped arrays with checksums; numpy only, never torch."""

from __future__ import annotations

from care_bench.data.prepared import PreparedDataset, Split, load
from care_bench.data.registry import DATASETS
from care_bench.data.source import Built, DatasetInfo, SplitArrays
from care_bench.data.store import prepare

__all__ = [
    "DATASETS",
    "Built",
    "DatasetInfo",
    "PreparedDataset",
    "Split",
    "SplitArrays",
    "load",
    "prepare",
]
