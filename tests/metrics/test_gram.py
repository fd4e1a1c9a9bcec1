from __future__ import annotations

import numpy as np
import pytest
import torch

from care_bench.metrics.gram import gram


@pytest.mark.parametrize("block", [1, 3, 4, 20])
@pytest.mark.parametrize("transposed", [False, True])
def test_blocks_agree_with_numpy(block, transposed, monkeypatch):
    monkeypatch.setitem(gram.__globals__, "BLOCK", block)
    monkeypatch.setitem(gram.__globals__, "BLOCKS_FROM", 1)
    x = np.random.default_rng(0).standard_normal((7, 12))
    x = x.T if transposed else x
    found = gram(torch.from_numpy(x))
    assert found.numpy() == pytest.approx(np.einsum("ni,nj->ij", x, x), rel=1e-13, abs=1e-14)


def test_few_columns_take_one_product():
    x = torch.randn(30, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(gram(x), x.mT @ x)
