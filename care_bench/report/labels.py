"""What rows and columns are called, and in which order they stand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from care_bench.artifacts import Record

METHODS = {
    "simclr": "SimCLR",
    "moco_v2": "MoCo-v2",
    "byol": "BYOL",
    "barlow_twins": "Barlow Twins",
    "equimod": "EquiMod",
    "augself": "AugSelf",
    "care": "CARE",
    "invariance": "invariance only",
    "uniformity": "uniformity only",
    "equivariance": "equivariance only",
    "uniformity_equivariance": "uniformity + equivariance",
}
"""Method -> label, in the order of the rows where no profile gives another (see ``order.Order``); a method that is not
here is called by its own name and stands last."""

METRICS = {
    "top1": "top-1",
    "wahba_error": "Wahba, mean",
    "wahba_error_worst": "Wahba, worst",
    "wahba_error_per_sample": "Wahba, per sample",
    "gamma": "γ, mean",
    "gamma_median": "γ, median",
    "gamma_trimmed": "γ, trimmed mean",
    "invariance": "invariance",
    "cosine_mean": "cosine, mean",
    "cosine_variance": "cosine, variance",
    "cosine_opposed": "cosine, fraction opposed",
    "positive_cosine_mean": "positive cosine, mean",
    "positive_cosine_05": "positive cosine, 5 % point",
    "positive_cosine_25": "positive cosine, 25 % point",
    "positive_cosine_50": "positive cosine, median",
    "positive_cosine_75": "positive cosine, 75 % point",
    "positive_cosine_95": "positive cosine, 95 % point",
    "alignment": "alignment",
    "uniformity": "uniformity",
    "composition_error": "composition error",
    "retrieval_overlap": "top-5 overlap",
    "retrieval_tint_distance": "tint distance",
    "first_pc_r2": "first PC, R²",
    "first_pc_angle": "first PC, angle error",
    "trajectory_planarity": "trajectory, planarity",
    "trajectory_step_variation": "trajectory, step variation",
}
"""Metric -> label, in the order of the columns; a metric that is not here is called by its own name."""

REPRESENTATIONS = ("projection", "features")
PROBES = ("cached-v1", "paper-small-v1", "paper-imagenet100-v1", "knn-v1")
"""Order of the probing protocols; others follow by name."""


class Variant(NamedTuple):
    """One row of a table: a method as a profile runs it."""

    method: str
    base: str | None
    fidelity: str | None
    key: str


def variant_of(record: Record) -> Variant:
    """The row a record belongs to."""
    return Variant(record.method, record.base, record.fidelity, record.variant)


def order(variant: Variant) -> tuple[object, ...]:
    """Sorting key of rows: method, base, fidelity, then the variant's key with numbers by size."""
    return (
        rank(variant.method, METHODS),
        rank(variant.base or "", METHODS),
        variant.fidelity or "",
        natural(variant.key),
    )


def natural(text: str) -> tuple[tuple[int, float, str], ...]:
    """Sorting key that counts: `weight-3` before `weight-10`, `weight-0.3` before both."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return tuple((0, float(part), "") if index % 2 else (1, 0.0, part) for index, part in enumerate(parts) if part)


def metric_order(metric: str) -> tuple[int, str]:
    """Sorting key of metrics."""
    return rank(metric, METRICS)


def probe_order(protocol: str) -> tuple[int, str]:
    """Sorting key of probing protocols."""
    return rank(protocol, PROBES)


def labels(variants: Iterable[Variant]) -> dict[Variant, str]:
    """Name every row, such as `CARE (SimCLR), paper fidelity`.

    The variant's key is shown in brackets where it says more than method, base and fidelity do, or where two rows
    would bear the same name.
    """
    names = {
        variant: f"{_name(variant)} [{variant.key}]" if _says_more(variant) else _name(variant) for variant in variants
    }
    taken = Counter(names.values())
    return {
        variant: f"{_name(variant)} [{variant.key}]" if taken[name] > 1 else name for variant, name in names.items()
    }


def method_label(method: str, base: str | None = None) -> str:
    """Name a method and the one it wraps, such as `CARE (SimCLR)`."""
    name = METHODS.get(method, method)
    return f"{name} ({METHODS.get(base, base)})" if base else name


def _name(variant: Variant) -> str:
    name = method_label(variant.method, variant.base)
    return f"{name}, {variant.fidelity} fidelity" if variant.fidelity else name


def _says_more(variant: Variant) -> bool:
    parts = [variant.method, *(part for part in (variant.base, variant.fidelity) if part)]
    without_base = [variant.method, *([variant.fidelity] if variant.fidelity else [])]
    plain = {variant.method, f"{variant.method}-{variant.base}", "-".join(parts), "-".join(without_base)}
    return _dashed(variant.key) not in {_dashed(name) for name in plain}


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def rank(name: str, known: Iterable[str]) -> tuple[int, str]:
    """Sorting key of names: the known ones in their order, then the others by name."""
    names = list(known)
    return (names.index(name), "") if name in names else (len(names), name)
