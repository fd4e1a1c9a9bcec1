"""How often the host waits for a device: never once a batch, and once a draw only where a map is fitted anyway."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from care_bench.augmentations import RandomRotation3D
from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.evaluation.embed import Embedder
from care_bench.metrics import relative_equivariance_summary
from tests.evaluation import test_decompositions
from tests.evaluation.test_embed import Linear

WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "_unique2"}
"""Operations whose result, or its shape, the host must know."""


class _Waits(TorchDispatchMode):
    """Counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        places = args[1] if name in ("index", "index_put", "index_put_") else ()
        masked = any(place is not None and place.dtype == torch.bool for place in places)
        self.number += name in WAITING or masked
        return func(*args, **(kwargs or {}))


def waits(run: Callable[[], object]) -> int:
    with _Waits() as counted:
        run()
    return counted.number


def test_they_are_counted() -> None:
    rows = torch.arange(4.0)
    assert waits(lambda: (rows.sum().item(), rows[rows > 1], (rows > 1).nonzero(), bool(rows.any()))) == 4
    assert waits(lambda: (rows[torch.tensor([0, 2])], rows.sum(), rows[1:].tolist())) == 0


def test_a_further_draw_takes_two_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for draws in (6, 12):
        monkeypatch.setattr(test_decompositions, "DRAWS", draws)
        found.append(waits(test_decompositions.measure_all))
    # Two checks of what is retrieved with the map of a half.
    assert found[1] - found[0] == 2 * 6


def test_blocks_of_pairs_take_none(monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    views = torch.stack([z.flip(1), z.roll(1, 1), -z])
    expected, once = relative_equivariance_summary(z, views), waits(lambda: relative_equivariance_summary(z, views))
    monkeypatch.setattr(sys.modules[relative_equivariance_summary.__module__], "RATIOS_AT_ONCE", 150)
    assert waits(lambda: relative_equivariance_summary(z, views[:1])) == once
    assert waits(lambda: relative_equivariance_summary(z, views)) == once
    assert relative_equivariance_summary(z, views).median == pytest.approx(expected.median, rel=1e-12)


def test_batches_of_samples_take_none() -> None:
    clouds = np.random.default_rng(0).standard_normal((40, 3, 3)).astype(np.float32)
    split = Split(clouds, {})
    dataset = PreparedDataset("clouds", "point_cloud", {}, split, split, "0" * 64, [], [])
    found = []
    for batch, draws in ((40, 2), (4, 6)):
        settings = EvaluationConfig(augmentations=draws, batch_size=batch)
        embedder = Embedder(Linear(), RandomRotation3D(), dataset, settings, torch.device("cpu"))
        found.append(waits(lambda embedder=embedder: [embedder.part(name) for name in ("test", "augmented", "single")]))  # type: ignore[misc]
    # One for each part and representation: are the embeddings finite?
    assert found == [6, 6]
