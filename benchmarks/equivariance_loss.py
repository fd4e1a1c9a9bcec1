"""Speed of the equivariance loss against a loop over chunks, forward and backward, on one CPU thread.

The setting is CIFAR10's in the paper: batch 256, dimension 128, 16 splits, float32. The peer is written in the habit
of the released code: chunk after chunk a whole Gram matrix for each view, the diagonal taken out with masked_select,
squared row norms, a mean over rows. Runs alternate, so a busy machine slows both.

Run: python benchmarks/equivariance_loss.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from care_bench.losses import Equivariance

BATCH, DIMENSION, SPLITS = 256, 128, 16
TARGET = 5.0


class Row(NamedTuple):
    """One comparison: median seconds a call, the median of the paired ratios, and the ratio to reach."""

    name: str
    ours_seconds: float
    reference_seconds: float
    ratio: float
    target: float


def loop_over_chunks(z1: Tensor, z2: Tensor) -> Tensor:
    """Return the released code's loss, computed one chunk at a time."""
    losses = [_chunk_loss(a, b) for a, b in zip(z1.chunk(SPLITS), z2.chunk(SPLITS), strict=True)]
    return torch.stack(losses).mean()


def _chunk_loss(z1: Tensor, z2: Tensor) -> Tensor:
    rows = len(z1)
    different = ~torch.eye(rows, dtype=torch.bool)
    gram1 = torch.masked_select(z1 @ z1.T, different).view(rows, rows - 1)
    gram2 = torch.masked_select(z2 @ z2.T, different).view(rows, rows - 1)
    return 2 * (gram1 - gram2).square().sum(dim=1).mean()


def measure(rounds: int = 30, calls: int = 20) -> list[Row]:
    """Time both losses on the same embeddings in alternating blocks of calls.

    Args:
        rounds: pairs of blocks; the medians are taken over them.
        calls: calls in a block.

    Raises:
        RuntimeError: the two losses or their gradients differ, so their times cannot be compared.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        generator = torch.Generator().manual_seed(0)
        z1, z2 = functional.normalize(torch.randn(2, BATCH, DIMENSION, generator=generator), dim=-1)
        z1.requires_grad_()
        z2.requires_grad_()
        ours = Equivariance(SPLITS, fidelity="released-code")
        _require_agreement(ours, z1, z2)
        times = [(_seconds(ours, z1, z2, calls), _seconds(loop_over_chunks, z1, z2, calls)) for _ in range(rounds)]
    finally:
        torch.set_num_threads(threads)
    fast, slow = zip(*times, strict=True)
    ratio = statistics.median(reference / own for own, reference in times)
    name = f"equivariance loss, forward + backward, batch {BATCH}, d {DIMENSION}, {SPLITS} splits, 1 thread"
    return [Row(name, statistics.median(fast), statistics.median(slow), ratio, TARGET)]


def _seconds(loss: Callable[[Tensor, Tensor], Tensor], z1: Tensor, z2: Tensor, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        torch.autograd.grad(loss(z1, z2), (z1, z2))
    return (time.perf_counter() - start) / calls


def _require_agreement(ours: Callable[[Tensor, Tensor], Tensor], z1: Tensor, z2: Tensor) -> None:
    values = [loss(z1, z2) for loss in (ours, loop_over_chunks)]
    gradients = [torch.cat(torch.autograd.grad(value, (z1, z2))) for value in values]
    for what, (own, reference) in {"values": values, "gradients": gradients}.items():
        if not torch.allclose(own, reference, rtol=1e-4, atol=1e-6):
            raise RuntimeError(f"the {what} of the two losses differ by {(own - reference).abs().max().item():.2e}")


if __name__ == "__main__":
    for row in measure():
        print(f"{row.name}: {row.ours_seconds * 1e6:.0f} us against {row.reference_seconds * 1e6:.0f} us")
        print(f"{row.ratio:.1f} times as fast (target {row.target:.0f})")
