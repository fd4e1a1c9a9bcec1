"""Rows on the unit sphere, however long they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from care_bench.metrics.checks import directions


@pytest.mark.parametrize("size", [1e-30, 1e-19, 1.0, 1e19, 1e30])
def test_rows_whose_squares_overflow_or_vanish_have_the_same_directions(size: float) -> None:
    rows = np.random.default_rng(0).standard_normal((40, 64)).astype(np.float32)
    expected = rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    found = directions(torch.from_numpy(rows) * size, "rows")
    assert found.dtype == torch.float32
    assert found.numpy() == pytest.approx(expected, abs=1e-6)


def test_rows_that_have_none_are_counted() -> None:
    rows = torch.ones(5, 64)
    rows[0] = 0
    with pytest.raises(ValueError, match=r"rows: 1 of 5 are zero, which has no direction; expected none"):
        directions(rows, "rows")
    rows[0], rows[3:] = 1, 3e38
    with pytest.raises(ValueError, match=r"rows: 2 of 5 are longer than torch.float32 can hold; expected none"):
        directions(rows, "rows")
