"""Gram matrices of many columns, without computing each inner product twice."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 512
"""Columns of a block: so many make a product as fast as a large one."""
BLOCKS_FROM = 1024
"""Columns from which on blocks below the diagonal are copied."""


@torch.no_grad()
def gram(x: Tensor) -> Tensor:
    """Return x^T x of a matrix (n, p), (p, p): the inner products of its columns."""
    p = x.shape[1]
    if p < BLOCKS_FROM:
        return x.mT @ x
    found = x.new_empty(p, p)
    for start in range(0, p, BLOCK):
        here, after = slice(start, start + BLOCK), slice(start + BLOCK, None)
        torch.mm(x[:, here].mT, x[:, start:], out=found[here, start:])
        found[after, here] = found[here, after].mT
    return found
