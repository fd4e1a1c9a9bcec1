"""Every draw comes from a generator made from (run identity, purpose, step); there is no state to lose.

The run identity is data set and seed, without the method: methods that are compared see the same initial weights,
the same order of samples and, for the views they share, the same augmentations, so that differences between them
are paired. A generator is made anew at every step, so a resumed run draws what an uninterrupted one would have.
"""

from __future__ import annotations

import hashlib

import torch


def derive_seed(*identity: str | int) -> int:
    """Return a 63-bit seed, the first bits of the SHA-256 of the identity written out."""
    digest = hashlib.sha256(repr(identity).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*identity: str | int) -> torch.Generator:
    """Return a CPU generator seeded from the identity: its draws are the same on every device."""
    return torch.Generator().manual_seed(derive_seed(*identity))


def epoch_order(n: int, dataset: str, seed: int, epoch: int) -> torch.Tensor:
    """Return the order (n,) in which an epoch visits the samples."""
    return torch.randperm(n, generator=generator(dataset, seed, "order", epoch))
