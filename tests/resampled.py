"""Runs on halves of the test samples that were never measured, for tests of collections, claims and reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from care_bench.artifacts import Record
from care_bench.artifacts.resamples import Resampled, Resamples


def resampled(record: Record, values: Sequence[float] = (1.0, 2.0), **changes: Any) -> Resampled:
    """Return the metric of a record on halves."""
    keys = ("epoch", "weights_sha256", "protocol", "protocol_version", "representation", "metric")
    return Resampled(**{**{key: getattr(record, key) for key in keys}, "values": tuple(values), **changes})


def resamples(record: Record, *found: Resampled, **changes: Any) -> Resamples:
    """Return the halves of the run of a record."""
    keys = ("profile", "dataset", "variant", "seed", "config_sha256", "data_sha256", "evaluation", "code_version")
    about = {key: getattr(record, key) for key in keys}
    return Resamples(**{**about, "units": 10, "kept": 5, "found": found or (resampled(record),), **changes})
