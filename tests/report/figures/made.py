"""A small collection whose rows have the configurations of a profile, with values given by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from care_bench.artifacts import Record
from care_bench.artifacts.collection import Collection
from care_bench.config.readers import parse_profile
from care_bench.config.run import RunConfig
from care_bench.files import canonical_json, sha256_bytes
from tests.sample_records import make_record

SIMCLR = {"name": "simclr", "temperature": 0.5}
WEAK = {**SIMCLR, "invariance_weight": 0.1}
CIRCLE = {"projector": {"hidden": [128], "output": 2}}
DIGITS: dict[str, Any] = {
    "simclr": SIMCLR,
    "care": {"name": "care", "base": SIMCLR, "splits": 8, "weight": 10},
    "equimod": {"name": "equimod", "base": SIMCLR, "projector_hidden": [128, 128], "projector_output": 64},
    **{
        f"equimod-weight-{k}": {
            "name": "equimod",
            "base": SIMCLR,
            "projector_hidden": [64],
            "projector_output": 64,
            "weight": k,
        }
        for k in (1, 3)
    },
    "moco": {"name": "moco_v2", "queue": 1024},
    "care-moco": {"name": "care", "base": {"name": "moco_v2", "queue": 1024}, "splits": 8, "weight": 2},
    "care-weight-0": {"name": "care", "base": SIMCLR, "splits": 8, "weight": 0},
    "care-weight-1": {"name": "care", "base": SIMCLR, "splits": 8, "weight": 1},
    "care-weight-3": {"name": "care", "base": SIMCLR, "splits": 8, "weight": 3},
    "care-one-draw": {"name": "care", "base": SIMCLR, "splits": 8, "weight": 10, "sharing": "batch"},
    "care-one-draw-weight-1": {"name": "care", "base": SIMCLR, "splits": 8, "weight": 1, "sharing": "batch"},
    "invariance": {"name": "invariance"},
    "uniformity": {"name": "uniformity"},
    "circle": {**SIMCLR, "encoder": CIRCLE},
    "care-circle": {"name": "care", "base": SIMCLR, "splits": 8, "weight": 1, "encoder": CIRCLE},
    "untrained": {"name": "untrained"},
    "raw": {"name": "raw"},
    "random": {"name": "random"},
}
PROTEINS: dict[str, Any] = {
    "simclr": SIMCLR,
    "care": {"name": "care", "base": SIMCLR, "splits": 4, "weight": 10},
    "simclr-weak": WEAK,
    "care-weak": {"name": "care", "base": WEAK, "splits": 4, "weight": 10},
    "uniformity": {"name": "uniformity"},
    "untrained": {"name": "untrained"},
}
PROFILE = {
    "profile": "drawn",
    "seeds": [0],
    "datasets": {
        "digits": {"preset": "digits", "training": {"epochs": 4, "batch_size": 128}, "methods": DIGITS},
        "proteins": {"preset": "proteins", "methods": PROTEINS},
    },
}
VARIANTS = {"digits": tuple(DIGITS), "proteins": tuple(PROTEINS)}


@cache
def _runs() -> dict[tuple[str, str], RunConfig]:
    return {(run.dataset, run.variant): run for run in parse_profile(PROFILE, "made").runs()}


def values(
    variant: str, metric: str, per_seed: Sequence[float | Sequence[float]], dataset: str = "digits", **changes: Any
) -> list[Record]:
    """Return one record per seed of a row: a number, or the repeats whose mean it is."""
    run = _runs()[dataset, variant]
    found = []
    for seed, given in enumerate(per_seed):
        config = canonical_json(run.model_copy(update={"seed": seed}).model_dump(mode="json")).decode()
        repeats = None if isinstance(given, int | float) else tuple(given)
        number = given if repeats is None else sum(repeats) / len(repeats)
        known = {
            "profile": "drawn",
            "dataset": dataset,
            "method": run.method.name,
            "base": run.method.base_name,
            "fidelity": run.method.fidelity_used,
            "backbone": run.encoder.backbone.name,
            "config": config,
            "config_sha256": sha256_bytes(config.encode()),
            "n": 1 if repeats is None else len(repeats),
            "values": repeats,
        }
        found.append(make_record(variant=variant, metric=metric, seed=seed, value=number, **{**known, **changes}))
    return found


def collection(*records: Iterable[Record]) -> Collection:
    """Return a fresh collection of these records in the order of the profile."""
    found = [record for part in records for record in part]
    order: Mapping[str, tuple[str, ...]] = VARIANTS
    return Collection("drawn", tuple(sorted(found, key=lambda record: record.identity)), None, order)
