"""Tables from records: collections, pins, statistics over pretraining seeds, and the formats of a report."""

from care_bench.artifacts.collection import Collection, frame, read_collection
from care_bench.artifacts.pin import verify_all
from care_bench.report.build import FORMATS, write_report
from care_bench.report.statistics import Summary, best, summarise
from care_bench.report.tables import Cell, Column, Table

__all__ = [
    "FORMATS",
    "Cell",
    "Collection",
    "Column",
    "Summary",
    "Table",
    "best",
    "frame",
    "read_collection",
    "summarise",
    "verify_all",
    "write_report",
]
