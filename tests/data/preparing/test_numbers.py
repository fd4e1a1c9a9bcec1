from __future__ import annotations

import numpy as np
import pytest

from care_bench.data.preparing import numbers


@pytest.mark.parametrize("block", [1, 40, 1 << 24])
def test_channel_statistics_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(numbers, "BLOCK", block)
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 5), dtype=np.uint8)
    mean, std = numbers.channel_statistics(images)
    np.testing.assert_allclose(mean, (images / 255).mean(axis=(0, 2, 3)), rtol=1e-13)
    np.testing.assert_allclose(std, (images / 255).std(axis=(0, 2, 3)), rtol=1e-13)


def test_channel_statistics_by_hand() -> None:
    images = np.array([[[[0, 255]], [[51, 51]]]], dtype=np.uint8)
    assert numbers.channel_statistics(images) == ([0.5, 0.2], [0.5, 0.0])


@pytest.mark.parametrize("block", [1, 10, 1 << 24])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_non_finite_entry_is_found(monkeypatch: pytest.MonkeyPatch, block: int, bad: float) -> None:
    monkeypatch.setattr(numbers, "BLOCK", block)
    array = np.ones((5, 2, 3), dtype=np.float32)
    assert numbers.first_not_finite(array) is None
    array[4, 0, 0] = array[3, 1, 0] = array[3, 0, 2] = bad
    assert numbers.first_not_finite(array) == (3, 0, 2)
    assert numbers.first_not_finite(array[:, 1, 0]) == (3,)
