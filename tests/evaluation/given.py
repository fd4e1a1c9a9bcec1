"""Embeddings written by hand, and what a protocol measures on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.measurement import Protocol

SETTINGS = EvaluationConfig(augmentations=2, classifier_seeds=2)


def dataset(name: str, kind: Any = "image", samples: int = 10, **labels: Any) -> PreparedDataset:
    """Return train samples and as many test samples, whose inputs are never read."""
    split = Split(
        np.zeros((samples, 1, 2, 2), dtype=np.uint8), {key: np.asarray(value) for key, value in labels.items()}
    )
    return PreparedDataset(name, kind, {}, split, split, "0" * 64, [], [])


def given(data: PreparedDataset, **parts: torch.Tensor) -> Embedded:
    """Return embeddings given by hand; parts that a protocol must not read are missing."""
    return Embedded(data, SETTINGS, parts.__getitem__)


def embedded(data: PreparedDataset, rows: torch.Tensor) -> Embedded:
    """Return the same embeddings for train and test, and two augmentations that change nothing."""
    return given(data, test=rows, augmented=torch.stack([rows, rows]), train=rows)


def measure(protocol: Protocol, found: Embedded) -> dict[str, Any]:
    """Return metric -> measurement."""
    return dict(zip((metric.name for metric in protocol.metrics), protocol.measure(found), strict=True))


def unit(*shape: int, seed: int) -> np.ndarray[Any, Any]:
    """Return random rows of length one."""
    rows = np.random.default_rng(seed).standard_normal(shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)
