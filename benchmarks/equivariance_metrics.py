"""Speed of the equivariance metrics of a wide encoder against the decompositions they cannot do without.

Random unit features, one CPU thread, features given. ``make bench`` measures 5,000 samples of 1,024 dimensions under 20
draws; ``python -m benchmarks.equivariance_metrics`` 10,000 of 2,048, or what its arguments say. The reference is one
SVD of a d x d matrix for each draw, which Wahba's error needs.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.timing import Row, one_thread
from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.measurement import composed_draws
from care_bench.evaluation.protocols import OURS

FAMILIES = ("equivariance", "positive pairs", "composition", "certificate", "held out")
BESIDE = ("equivariant-retrieval-v1",)
AT_MOST = 8.0


@dataclass(frozen=True)
class Size:
    """How large the test set and its embeddings are."""

    samples: int = 10_000
    dimension: int = 2048
    draws: int = 20


def measure(size: Size = Size(5000, 1024)) -> list[Row]:
    """Time every protocol on the same random embeddings, and print its seconds when it is done."""
    with one_thread():
        total = sum(times(size).values())
        reference = size.draws * _svd(size.dimension)
    name = f"equivariance metrics, {size.samples} x {size.dimension}, {size.draws} draws, against an SVD for each draw"
    return [Row(name, total, reference, total / reference, f"at most {AT_MOST:g} times", total <= AT_MOST * reference)]


def times(size: Size) -> dict[str, float]:
    """Return protocol -> seconds; the first one that needs the errors of all draws fits them."""
    seeds = iter(range(1 + 2 * size.draws))
    test, *augmented = (_unit(size, next(seeds)) for _ in range(1 + size.draws))
    composed = [_unit(size, next(seeds)) for _ in range(composed_draws(size.samples, size.draws))]
    parts = {"test": test, "augmented": torch.stack(augmented), "composed": torch.stack(composed)}
    del augmented, composed
    split = Split(np.zeros((size.samples, 1, 1, 1), dtype=np.uint8), {})
    dataset = PreparedDataset("random", "image", {}, split, split, "0" * 64, [], [])
    embedded = Embedded(dataset, EvaluationConfig(augmentations=size.draws), parts.__getitem__)
    seconds = {}
    for protocol in OURS:
        if protocol.family in FAMILIES or protocol.id in BESIDE:
            began = time.perf_counter()
            protocol.measure(embedded)
            seconds[protocol.id] = time.perf_counter() - began
            print(f"  {protocol.id}: {seconds[protocol.id]:.1f} s", file=sys.stderr, flush=True)
    return seconds


def _unit(size: Size, seed: int) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(size.samples, size.dimension, generator=draws), dim=1)


def _svd(dimension: int) -> float:
    draws = torch.Generator().manual_seed(0)
    matrix = torch.randn(dimension, dimension, generator=draws, dtype=torch.float64)
    began = time.perf_counter()
    torch.linalg.svd(matrix)
    return time.perf_counter() - began


def _size() -> Size:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, number in vars(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=number)
    return Size(**vars(parser.parse_args()))


if __name__ == "__main__":
    for row in measure(_size()):
        print(f"{row.name}: {row.ours:.0f} s, {row.ratio:.2f} times {row.reference:.0f} s")
