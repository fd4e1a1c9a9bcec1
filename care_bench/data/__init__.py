"""Data sets as memory-mapped arrays with checksums; numpy only, never torch."""

from __future__ import annotations

from care_bench.data.prepared import PreparedDataset, Split, load
from care_bench.data.registry import DATASETS
from care_bench.data.source import UNLABELLED, Built, DatasetInfo, Raw, SplitArrays
from care_bench.data.store import prepare

__all__ = [
    "DATASETS",
    "UNLABELLED",
    "Built",
    "DatasetInfo",
    "PreparedDataset",
    "Raw",
    "Split",
    "SplitArrays",
    "load",
    "prepare",
]
