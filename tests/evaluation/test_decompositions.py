"""How many matrices all equivariance protocols of one encoder decompose: what is shared is decomposed once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.evaluation import embedded as module
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.protocols import OURS

N, D, DRAWS, COMPOSED = 60, 8, 6, 5
FAMILIES = ("equivariance", "positive pairs", "composition", "certificate", "held out")
BESIDE = "equivariant-retrieval-v1"


def rows(seed: int) -> Tensor:
    return functional.normalize(torch.randn(N, D, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.fixture
def embedded() -> Embedded:
    parts = {
        "test": rows(0),
        "augmented": torch.stack([rows(seed) for seed in range(1, DRAWS + 1)]),
        "composed": torch.stack([rows(100 + seed) for seed in range(COMPOSED)]),
    }
    split = Split(np.zeros((N, 1, 2, 2), dtype=np.uint8), {})
    dataset = PreparedDataset("random", "image", {}, split, split, "0" * 64, [], [])
    return Embedded(dataset, EvaluationConfig(augmentations=DRAWS), parts.__getitem__)


def counted(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Measure all protocols, and count the matrices of each decomposition."""
    found: Counter[str] = Counter()
    for name in ("svd", "svdvals", "eigh"):
        ours = getattr(torch.linalg, name)

        def counting(matrix: Tensor, *arguments: Any, name: str = name, ours: Any = ours, **options: Any) -> Any:
            found[name] += matrix[..., 0, 0].numel()
            return ours(matrix, *arguments, **options)

        monkeypatch.setattr(torch.linalg, name, counting)
    for protocol in OURS:
        if protocol.family in FAMILIES or protocol.id == BESIDE:
            protocol.measure(embedded)
    return found


def test_each_map_is_solved_once(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    found = counted(embedded, monkeypatch)
    maps, halves, composed = DRAWS, 3 * DRAWS, 2 * COMPOSED  # halves: one of held-out maps, two of the certificate
    inverse, plain = 1, 1  # of the linear map, and of the plain embeddings in the certificate
    assert found == {"svd": maps + halves + composed + inverse + plain, "eigh": DRAWS}


def test_a_large_set_has_maps_of_a_few_draws_alone(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SAMPLES", N - 1)
    monkeypatch.setattr(module, "FEW_DRAWS", 2)
    found = counted(embedded, monkeypatch)
    assert found == {"svd": 2 + 3 * 2 + 2 * 2 + 1 + 1, "svdvals": DRAWS - 2, "eigh": 2}
