"""A draw shared by a chunk: equal images stay equal within a chunk and differ between chunks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from care_bench.augmentations import Augmentation, ImageAugmentation, RandomRotation3D, draw

CASES: list[tuple[Augmentation[Any], Tensor]] = [
    (
        ImageAugmentation(input_size=(32, 32), size=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3),
        torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)),
    ),
    (
        ImageAugmentation(input_size=(12, 9), size=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3, rotation_degrees=20.0),
        torch.rand(1, 3, 12, 9, generator=torch.Generator().manual_seed(0)),
    ),
    (RandomRotation3D(), torch.randn(1, 7, 3, generator=torch.Generator().manual_seed(0))),
]


@pytest.mark.parametrize(("augmentation", "sample"), CASES, ids=["images", "turned-images", "point-clouds"])
@pytest.mark.parametrize(("n", "draws"), [(32, 4), (32, 1), (32, 32), (30, 10)])
def test_a_draw_is_shared_bit_for_bit_within_its_chunk_only(
    augmentation: Augmentation[Any], sample: Tensor, n: int, draws: int
) -> None:
    parameters = draw(augmentation, n, draws, torch.Generator().manual_seed(1))
    assert len(parameters) == n
    same = sample.repeat(n, *[1] * (sample.ndim - 1))
    chunks = augmentation.apply(same, parameters).chunk(draws)
    for chunk in chunks:
        assert all(torch.equal(output, chunk[0]) for output in chunk)
    for i in range(draws):
        assert not any(torch.equal(chunks[i][0], chunks[j][0]) for j in range(i))


@pytest.mark.parametrize(("augmentation", "sample"), CASES, ids=["images", "turned-images", "point-clouds"])
def test_sharing_does_not_change_what_is_drawn(augmentation: Augmentation[Any], sample: Tensor) -> None:
    shared = draw(augmentation, 12, 4, torch.Generator().manual_seed(2))
    own = augmentation.sample(4, torch.Generator().manual_seed(2))
    assert torch.equal(shared.to_vector()[::3], own.to_vector())
    outputs = augmentation.apply(sample.repeat(12, *[1] * (sample.ndim - 1)), shared)
    assert torch.equal(outputs[::3], augmentation.apply(sample.repeat(4, *[1] * (sample.ndim - 1)), own))


@settings(deadline=None, derandomize=True)
@given(n=st.integers(-2, 40), draws=st.integers(-2, 40))
def test_only_divisors_are_accepted(n: int, draws: int) -> None:
    if n > 0 and any(draws * k == n for k in range(1, n + 1)):
        assert len(draw(RandomRotation3D(), n, draws, torch.Generator())) == n
    else:
        with pytest.raises(ValueError, match=f"draws is {draws} for n = {n} samples, expected a positive divisor"):
            draw(RandomRotation3D(), n, draws, torch.Generator())
