"""Data sets as memory-mapped arrays with checksums; numpy only, never torch."""

from __future__ import annotations

from care_bench.data.load import PreparedDataset, Split, load
from care_bench.data.own import read_own
from care_bench.data.preparing.store import prepare
from care_bench.data.registry import DATASETS
from care_bench.data.source import UNLABELLED, Built, DatasetInfo, Raw, SplitArrays

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
    "read_own",
]
