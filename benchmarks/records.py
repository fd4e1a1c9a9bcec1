"""Files of records by the hundred thousand: those of a pin, written again under more seeds and more rows."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from care_bench.artifacts.evaluated import summary_of
from care_bench.artifacts.pin import read_pin
from care_bench.files import canonical_json, sha256_bytes, write_json

PIN = Path(__file__).parents[1] / "results" / "pinned" / "cpu-v3"
"""62 rows on three data sets; 164 to 230 records of each run."""


def templates(snapshots: bool) -> list[list[dict[str, Any]]]:
    """Return the records of the pin's first seed by run, as JSON has them; those of snapshots too, or not."""
    found = read_pin(PIN, rehash=False).records
    seed = min(record.seed for record in found)
    kept = [record for record in found if record.seed == seed and (snapshots or record.epoch is None)]
    return [[record.model_dump() for record in run] for _, run in groupby(kept, lambda one: (one.dataset, one.variant))]


def write_runs(folder: Path, runs: Iterable[list[dict[str, Any]]], seeds: int, copies: int) -> list[Path]:
    """Write runs under several seeds and, with a number after their names, as several rows; return their files."""
    return [
        _write(folder / f"{number}-{copy}-{seed}.jsonl", run, copy, seed)
        for number, run in enumerate(runs)
        for copy in range(copies)
        for seed in range(seeds)
    ]


def _write(path: Path, run: list[dict[str, Any]], copy: int, seed: int) -> Path:
    """Write a run and its summary; its numbers are the pin's times a number near 1, the same for the whole run."""
    variant = f"{run[0]['variant']}-{copy}" if copy else run[0]["variant"]
    config = canonical_json({**json.loads(run[0]["config"]), "variant": variant, "seed": seed}).decode()
    named = {"variant": variant, "seed": seed, "config": config, "config_sha256": sha256_bytes(config.encode())}
    factor = random.Random(f"{path.name}").uniform(0.9, 1.0)
    content = b"".join(_lines({**record, **named, **_scaled(record, factor)} for record in run))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    final = next(record for record in run if record["epoch"] is None)
    hashes = {key: {**final, **named}[key] for key in ("config_sha256", "data_sha256", "weights_sha256")}
    snapshots = {str(record["epoch"]): record["weights_sha256"] for record in run if record["epoch"] is not None}
    write_json(summary_of(path), {**hashes, "snapshots": snapshots, "records_sha256": sha256_bytes(content)})
    return path


def _scaled(record: dict[str, Any], factor: float) -> dict[str, Any]:
    numbers = {key: record[key] for key in ("value", "spread") if record[key] is not None}
    values = record["values"]
    repeats = {} if values is None else {"values": [factor * one for one in values]}
    return {key: factor * one for key, one in numbers.items()} | repeats


def _lines(records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    for record in records:
        yield canonical_json({**record, "sha256": sha256_bytes(canonical_json(record))}) + b"\n"
