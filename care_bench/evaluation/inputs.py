"""What the records of an encoder depend on, kept beside them: the same inputs give the same numbers on one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import care_bench
from care_bench.artifacts import Record, environment, write_records
from care_bench.artifacts.evaluated import summary_of
from care_bench.errors import CareBenchError
from care_bench.evaluation.measurement import Protocol
from care_bench.files import canonical_json, sha256_bytes, sha256_file, sha256_tree, write_bytes, write_json
from care_bench.untrusted import read_json


def inputs_of(
    hashes: Mapping[str, Any], evaluation: Mapping[str, Any], protocols: Sequence[Protocol]
) -> dict[str, Any]:
    """Return all that records depend on, as JSON.

    Args:
        hashes: `config_sha256`, `data_sha256`, `weights_sha256`, and `snapshots` by epoch.
        evaluation: its settings, as records have them.
        protocols: ours and those of installed packages.
    """
    return {
        **hashes,
        "evaluation": evaluation,
        "protocols": {protocol.id: protocol.version for protocol in protocols},
        "code_sha256": sha256_tree(Path(care_bench.__file__).parent, "*.py"),
        "environment": environment(),
    }


def write_evaluation(path: Path, records: Sequence[Record], inputs: Mapping[str, Any]) -> None:
    """Write a file of records, then the summary beside it with their hash and all they depend on."""
    digest = write_records(path, records)
    write_json(summary_of(path), {**inputs, "records_sha256": digest})


def write_kept(path: Path, content: bytes, inputs: Mapping[str, Any]) -> None:
    """Write another file of the same kind, as :func:`is_current` finds it."""
    write_bytes(path, content)
    write_json(summary_of(path), {**inputs, "records_sha256": sha256_bytes(content)})


def is_current(path: Path, inputs: Mapping[str, Any]) -> bool:
    """Tell whether a file holds the unchanged records, or lines of another kind, of these inputs."""
    try:
        found = read_json(summary_of(path), "expected the summary of an evaluation")
        expected = {**inputs, "records_sha256": sha256_file(path)}
        return canonical_json(found) == canonical_json(expected)
    except (CareBenchError, OSError, ValueError, RecursionError):  # damaged: measured again
        return False
