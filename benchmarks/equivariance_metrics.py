"""Speed of the equivariance metrics of a wide encoder against the decompositions they cannot do without.

Random unit features of 2,048 dimensions, one CPU thread, features given: 10,000 samples under 20 draws by ``python -m
benchmarks.equivariance_metrics``, and a tenth of the draws in ``make bench``. The reference is one SVD of a 2,048 x
2,048 matrix for each draw, which Wahba's error needs.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.timing import Row, one_thread
from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.protocols import OURS

SAMPLES, DIMENSION, DRAWS, COMPOSED = 10_000, 2048, 20, 5
FAMILIES = ("equivariance", "positive pairs", "composition", "certificate", "held out")
BESIDE = ("equivariant-retrieval-v1",)
AT_MOST = 5.0


def measure(draws: int = DRAWS // 10) -> list[Row]:
    """Time every protocol on the same random embeddings."""
    with one_thread():
        seconds = times(draws)
        reference = draws * _svd()
    for protocol, own in seconds.items():
        print(f"  {protocol}: {own:.1f} s", file=sys.stderr)
    total = sum(seconds.values())
    name = f"equivariance metrics, {SAMPLES} x {DIMENSION}, {draws} draws, against an SVD for each draw"
    return [Row(name, total, reference, total / reference, f"at most {AT_MOST:g} times", total <= AT_MOST * reference)]


def times(draws: int) -> dict[str, float]:
    """Return protocol -> seconds; the first one that needs the maps of all draws fits them."""
    parts = {"test": _unit(SAMPLES), "augmented": torch.stack([_unit(SAMPLES, draw + 1) for draw in range(draws)])}
    parts["composed"] = torch.stack([_unit(SAMPLES, -draw - 1) for draw in range(min(draws, COMPOSED))])
    split = Split(np.zeros((SAMPLES, 1, 1, 1), dtype=np.uint8), {})
    dataset = PreparedDataset("random", "image", {}, split, split, "0" * 64, [], [])
    embedded = Embedded(dataset, EvaluationConfig(augmentations=draws), parts.__getitem__)
    seconds = {}
    for protocol in OURS:
        if protocol.family in FAMILIES or protocol.id in BESIDE:
            began = time.perf_counter()
            protocol.measure(embedded)
            seconds[protocol.id] = time.perf_counter() - began
    return seconds


def _unit(n: int, seed: int = 0) -> Tensor:
    draws = torch.Generator().manual_seed(seed % 2**32)
    return functional.normalize(torch.randn(n, DIMENSION, generator=draws), dim=1)


def _svd() -> float:
    matrix = torch.randn(DIMENSION, DIMENSION, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    began = time.perf_counter()
    torch.linalg.svd(matrix)
    return time.perf_counter() - began


if __name__ == "__main__":
    for row in measure(DRAWS):
        print(f"{row.name}: {row.ours:.0f} s, {row.ratio:.2f} times {row.reference:.0f} s")
