"""Results as files: records, manifests that protect pinned ones, and the environment they were made in."""

from care_bench.artifacts.environment import SUPPORTED, TRAINING, check_versions, code_version, environment
from care_bench.artifacts.manifest import Differences, FileEntry, Manifest
from care_bench.artifacts.record import Record, read_records, write_records

__all__ = [
    "SUPPORTED",
    "TRAINING",
    "Differences",
    "FileEntry",
    "Manifest",
    "Record",
    "check_versions",
    "code_version",
    "environment",
    "read_records",
    "write_records",
]
