"""Wahba's loss on wide embeddings against its definition with a d x d map per chunk, on one CPU thread.

256 rows of 2048 dimensions in 16 splits, as a backbone's features are, forward and backward in processor time.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.timing import Row, speedup
from care_bench.losses import WahbaLoss

BATCH, DIMENSION, SPLITS = 256, 2048, 16


def with_a_map(z1: Tensor, z2: Tensor) -> Tensor:
    """Return the loss over O(d), which is that over SO(d) here, with the best map of each chunk as a matrix."""
    total = z1.new_zeros(())
    for a, b in zip(z1.chunk(SPLITS), z2.chunk(SPLITS), strict=True):
        with torch.no_grad():
            (first, one), (second, other) = torch.linalg.qr(a.T), torch.linalg.qr(b.T)
            u, _, vh = torch.linalg.svd(other @ one.T)
            turn = (second @ u) @ (vh @ first.T)
        total = total + (a @ turn.T - b).square().sum()
    return total / len(z1)


def measure() -> list[Row]:
    """Time both on the same embeddings.

    Raises:
        RuntimeError: their values or gradients differ.
    """
    draws = torch.Generator().manual_seed(0)
    z1, z2 = functional.normalize(torch.randn(2, BATCH, DIMENSION, generator=draws), dim=-1)
    views = (z1.requires_grad_(), z2.requires_grad_())
    loss = WahbaLoss(SPLITS)
    for own, other in zip(*(torch.autograd.grad(one(*views), views) for one in (loss, with_a_map)), strict=True):
        if not torch.allclose(own, other, atol=1e-6):
            raise RuntimeError(f"the gradients differ by {(own - other).abs().max().item():.2e}")
    name = f"Wahba's loss, {BATCH} x {DIMENSION}, {SPLITS} splits, forward and backward, against a map for each chunk"
    ours, reference = (lambda one=one: torch.autograd.grad(one(*views), views) for one in (loss, with_a_map))
    return [speedup(name, ours, reference, at_least=8, pairs=5, clock=time.process_time)]
