"""Results as files: records, the ledger of the theory, manifests that protect pins, and the environment."""

from care_bench.artifacts.environment import SUPPORTED, TRAINING, check_versions, code_version, environment, installed
from care_bench.artifacts.ledger import LedgerRow, read_ledger, write_ledger
from care_bench.artifacts.manifest import Differences, FileEntry, Manifest
from care_bench.artifacts.record import Record, read_records, write_records

__all__ = [
    "SUPPORTED",
    "TRAINING",
    "Differences",
    "FileEntry",
    "LedgerRow",
    "Manifest",
    "Record",
    "check_versions",
    "code_version",
    "environment",
    "installed",
    "read_ledger",
    "read_records",
    "write_ledger",
    "write_records",
]
