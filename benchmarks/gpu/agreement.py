"""The GPU against the CPU: loss terms of the first steps, and every metric of the same weights."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu.commands import care_bench
from benchmarks.gpu.found import Found, at_most
from benchmarks.gpu.limit import Limit
from benchmarks.runs import METHODS, described, run
from care_bench.artifacts import read_records
from care_bench.config import RunConfig
from care_bench.data import prepare
from care_bench.files import write_json

TERMS, METRICS, SHARE = 1e-4, 1e-3, 0.98
"""Largest relative difference of a loss term, and of a metric; and the share of the metrics that have to be within it.

A classifier may judge a sample differently that lies on the border, and a maximum is of another draw.
"""
STEPS = 3
EVALUATED = (("tinted_digits", "care"), ("proteins", "care"))


def measure(toy: bool, limit: Limit) -> Iterator[Found]:
    """Train and measure on both devices; in the toy size two methods alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for dataset in ("tinted_digits", "proteins"):
            prepare(dataset, folder / "data")
        for method in ("simclr", "care") if toy else METHODS:
            yield _terms(folder, run("tinted_digits", "tinted_digits", method, training={"steps": STEPS}), limit)
        for dataset, method in EVALUATED[:1] if toy else EVALUATED:
            config = run(dataset, dataset, method, training={"steps": 30})
            yield _metrics(folder, config, 64 if toy else None, limit)


def _terms(folder: Path, config: RunConfig, limit: Limit) -> Found:
    logs = []
    for hidden in (True, False):
        out = _trained(folder, config, hidden, limit)
        logs.append([json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()])
    pairs = [(one[key], other[key]) for one, other in zip(*logs, strict=True) for key in one if key != "step"]
    worst = max(_apart(*pair) for pair in pairs)
    name = f"loss terms of {STEPS} steps, {config.dataset}: {described(config)}, GPU against CPU"
    return at_most(name, worst, "relative", TERMS)


def _metrics(folder: Path, config: RunConfig, samples: int | None, limit: Limit) -> Found:
    out = _trained(folder, config, hidden=True, limit=limit)
    settings = folder / "settings.json"
    write_json(settings, {"augmentations": 4, "classifier_seeds": 1, "samples": samples})
    sides = []
    for hidden in (True, False):
        records = folder / f"records-{hidden}.jsonl"
        arguments = ("--data", folder / "data", "--settings", settings, "--out", records)
        care_bench("evaluate", out, *arguments, hidden=hidden, limit=limit)
        sides.append({record.identity: record.value for record in read_records(records)})
    pairs = [(sides[0][key], sides[1][key], key) for key in sides[0]]
    apart = {key: _apart(one, other) for one, other, key in pairs if one is not None and other is not None}
    reasons = sum((one is None) != (other is None) for one, other, _ in pairs)
    share = sum(found <= METRICS for found in apart.values()) / len(apart)
    worst = max(apart, key=lambda key: apart[key])
    note = f"worst: {worst.metric} of {worst.representation} ({worst.protocol}), {apart[worst]:.1g}"
    name = f"metrics within {METRICS:g} of the CPU's, same weights, {config.dataset}: {described(config)}"
    return Found(name, share, "share", f"at least {SHARE:g}", share >= SHARE and not reasons, note)


def _trained(folder: Path, config: RunConfig, hidden: bool, limit: Limit) -> Path:
    steps = config.training.steps
    out = folder / config.dataset / f"{config.variant}-{steps}-steps" / ("cpu" if hidden else "device")
    write_json(folder / "config.json", config.model_dump(mode="json"))
    arguments = ("pretrain", folder / "config.json", "--data", folder / "data", "--out", out)
    care_bench(*arguments, hidden=hidden, limit=limit)
    return out


def _apart(one: float, other: float) -> float:
    """Return the distance over the larger of the two; 0 for equal numbers."""
    return 0.0 if one == other else abs(one - other) / max(abs(one), abs(other))
