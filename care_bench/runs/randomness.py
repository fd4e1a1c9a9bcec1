"""Every draw comes from a generator seeded by (run identity, purpose, step).

The identity of a run is its data set and seed, not its method. Methods of one seed start from the same weights, visit
the samples in the same order and, for the views they share, draw the same augmentations: comparisons are paired. Every
step has a new generator, so a resumed run draws what an uninterrupted one would have drawn.
"""

from __future__ import annotations

import hashlib

import torch


def derive_seed(*identity: str | int) -> int:
    """Return a 63-bit seed: the first bits of the SHA-256 of the identity's ``repr``."""
    digest = hashlib.sha256(repr(identity).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*identity: str | int) -> torch.Generator:
    """Return a CPU generator seeded from the identity, so that draws do not depend on the device."""
    return torch.Generator().manual_seed(derive_seed(*identity))


def epoch_order(n: int, dataset: str, seed: int, epoch: int) -> torch.Tensor:
    """Return the order (n,) in which an epoch visits the samples."""
    return torch.randperm(n, generator=generator(dataset, seed, "order", epoch))
