"""Speed of the equivariance loss against a loop over chunks, forward and backward, on one CPU thread.

The setting is CIFAR10's in the paper: batch 256, dimension 128, 16 splits, float32. The reference computes the loss as
the released code does: chunk by chunk a whole Gram matrix for each view, the diagonal removed with masked_select,
squared row norms, a mean over rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.timing import Row, speedup
from care_bench.losses import Equivariance

BATCH, DIMENSION, SPLITS = 256, 128, 16


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


def measure() -> list[Row]:
    """Time both losses on the same embeddings.

    Raises:
        RuntimeError: the two losses or their gradients differ, so their times cannot be compared.
    """
    generator = torch.Generator().manual_seed(0)
    z1, z2 = functional.normalize(torch.randn(2, BATCH, DIMENSION, generator=generator), dim=-1)
    z1.requires_grad_()
    z2.requires_grad_()
    ours = Equivariance(SPLITS, fidelity="released-code")
    _require_agreement(ours, z1, z2)

    def gradients(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(loss(z1, z2), (z1, z2))

    name = (
        f"equivariance loss, {BATCH} x {DIMENSION}, {SPLITS} splits, forward and backward, against a loop over chunks"
    )
    return [
        speedup(
            name, gradients(ours), gradients(loop_over_chunks), at_least=5, pairs=30, calls=20, clock=time.process_time
        )
    ]


def _require_agreement(ours: Callable[[Tensor, Tensor], Tensor], z1: Tensor, z2: Tensor) -> None:
    values = [loss(z1, z2) for loss in (ours, loop_over_chunks)]
    gradients = [torch.cat(torch.autograd.grad(value, (z1, z2))) for value in values]
    for what, (own, reference) in {"values": values, "gradients": gradients}.items():
        if not torch.allclose(own, reference, rtol=1e-4, atol=1e-6):
            raise RuntimeError(f"the {what} of the two losses differ by {(own - reference).abs().max().item():.2e}")
