"""How the time of losses and metrics grows with the number of samples n and the dimension d, on one CPU thread.

The exponent is the slope of a line through the logarithms of processor time and size, each time the least of a few. Its
bound is that of the arithmetic, with a margin for caches. Losses are measured forward and backward.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.timing import Row, Work, one_thread
from care_bench.losses import BarlowTwins, Equivariance, InfoNCE, WahbaLoss, alignment, uniformity
from care_bench.metrics import (
    certificate,
    composition_error,
    cosine_statistics,
    equivariant_retrieval,
    held_out_errors,
    knn,
    relative_equivariance,
    retrieval,
    wahba_errors,
)

SAMPLES, DIMENSION = 1024, 128
"""The size that stays while the other one changes."""
LARGER = (512, 1024, 2048, 4096)
WIDER = (64, 128, 256, 512)
MARGIN = 0.4
REPEATS = 3
Make = Callable[[int, int], Work]


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        name: of the loss or metric.
        make: returns the work for n samples of d dimensions.
        in_n, in_d: the exponents of its arithmetic.
    """

    name: str
    make: Make
    in_n: float
    in_d: float


def _unit(*shape: int) -> Tensor:
    draws = torch.Generator().manual_seed(len(shape))
    return functional.normalize(torch.randn(*shape, generator=draws), dim=-1)


def _loss(loss: Callable[[Tensor, Tensor], Tensor]) -> Make:
    def make(n: int, d: int) -> Work:
        views = tuple(one.requires_grad_() for one in _unit(2, n, d).unbind())
        return lambda: torch.autograd.grad(loss(*views), views, allow_unused=True)

    return make


def _metric(metric: Callable[[Tensor, Tensor], object]) -> Make:
    def make(n: int, d: int) -> Work:
        z, za = _unit(2, n, d).unbind()
        return lambda: metric(z, functional.normalize(z + za, dim=-1))

    return make


def _knn(z: Tensor, za: Tensor) -> object:
    labels = torch.arange(len(z)) % 10
    return knn(z, labels, za, labels, 10)


def _held_out(z: Tensor, za: Tensor) -> object:
    return held_out_errors(z, za, torch.arange(len(z)) % 2 == 0)


CASES = (
    Case("InfoNCE", _loss(InfoNCE(0.5)), 2, 1),
    Case("equivariance loss, 16 splits", _loss(Equivariance(16)), 2, 1),
    Case("alignment", _loss(alignment), 1, 1),
    Case("uniformity", _loss(lambda one, other: uniformity(one)), 2, 1),
    Case("Barlow Twins", _loss(BarlowTwins()), 1, 2),
    Case("Wahba's loss, 16 splits", _loss(WahbaLoss(16)), 1, 3),
    Case("Wahba's errors", _metric(wahba_errors), 1, 3),
    Case("gamma", _metric(relative_equivariance), 2, 1),
    Case("cosines", _metric(cosine_statistics), 1, 1),
    Case("composition error", _metric(lambda z, za: composition_error(z, za, za)), 1, 3),
    Case("certificate", _metric(certificate), 1, 3),
    Case("held-out maps", _metric(_held_out), 1, 3),
    Case("nearest neighbours", _metric(_knn), 2, 1),
    Case("retrieval", _metric(lambda z, za: retrieval(z, z, za)), 2, 1),
    Case("equivariant retrieval", _metric(equivariant_retrieval), 2, 1),
)


def measure() -> list[Row]:
    """Return a row for each case and size: seconds of the largest and the smallest, and the exponent in between."""
    rows = []
    with one_thread():
        for case in CASES:
            rows.append(_row(case, "n", case.in_n, LARGER, [(n, DIMENSION) for n in LARGER]))
            rows.append(_row(case, "d", case.in_d, WIDER, [(SAMPLES, d) for d in WIDER]))
    return rows


def _row(case: Case, along: str, expected: float, scale: Sequence[int], sizes: Sequence[tuple[int, int]]) -> Row:
    seconds = [_least(case.make(*size)) for size in sizes]
    found = exponent(scale, seconds)
    most = expected + MARGIN
    name = f"{case.name} over {along} = {scale[0]} to {scale[-1]}, against the least {along}; ratio: exponent"
    return Row(name, seconds[-1], seconds[0], found, f"exponent at most {most:g}", found <= most)


def exponent(scale: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the slope of the line of least squares through the logarithms."""
    return float(np.polyfit(np.log(scale), np.log(seconds), 1)[0])


def _least(work: Work) -> float:
    work()
    found = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


if __name__ == "__main__":
    for row in measure():
        print(f"{row.name}: {row.ratio:.2f}, {row.target}, {row.ours * 1e3:.1f} ms and {row.reference * 1e3:.2f} ms")
