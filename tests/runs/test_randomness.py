"""Seeds and generators derived from the identity of a run."""

from __future__ import annotations

import hashlib

import torch

from care_bench.runs.randomness import derive_seed, epoch_order, generator


def test_a_seed_depends_on_the_whole_identity() -> None:
    assert derive_seed("digits", 1, "order", 23) != derive_seed("digits", 12, "order", 3)
    assert 0 <= derive_seed("a") < 2**63
    draws = [torch.rand(3, generator=generator("digits", 0, "augmentation", 4)) for _ in range(2)]
    assert torch.equal(*draws)


def test_a_seed_is_63_bits_of_a_sha256() -> None:
    digest = hashlib.sha256(b"('digits', 1, 'order', 23)").hexdigest()
    assert derive_seed("digits", 1, "order", 23) == int(digest[:16], 16) // 2


def test_every_epoch_has_its_own_permutation() -> None:
    first, second = (epoch_order(50, "digits", 0, epoch) for epoch in (0, 1))
    assert sorted(first.tolist()) == list(range(50))
    assert not torch.equal(first, second)
