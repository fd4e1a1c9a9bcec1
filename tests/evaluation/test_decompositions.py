"""How many matrices of which shape the protocols decompose: a solution that is found twice is slow, not wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.measurement import composed_draws
from care_bench.evaluation.protocols import OURS

SAMPLES, DIMENSION, DRAWS = 60, 12, 7
FAMILIES = ("equivariance", "positive pairs", "composition", "certificate", "held out", "lie derivative", "retrieval")
SQUARE, HALF = (DIMENSION, DIMENSION), (SAMPLES // 2, DIMENSION)
GENERATORS = ("translation_x", "rotation", "scale")


@pytest.fixture
def decomposed(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, tuple[int, ...]]]:
    """(decomposition, shape) -> how many such matrices were decomposed so far."""
    found: Counter[tuple[str, tuple[int, ...]]] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(matrices: Tensor, *args: Any, **options: Any) -> Any:
            found[name, tuple(matrices.shape[-2:])] += matrices.shape[:-2].numel()
            return function(matrices, *args, **options)

        return run

    for name in ("svd", "svdvals", "eigh", "eigvalsh"):
        monkeypatch.setattr(torch.linalg, name, counted(name, getattr(torch.linalg, name)))
    return found


def measure_all() -> None:
    """Measure random embeddings under every protocol that fits maps."""
    draws = torch.Generator().manual_seed(0)

    def unit(*shape: int) -> Tensor:
        return functional.normalize(torch.randn(*shape, DIMENSION, generator=draws), dim=-1)

    parts = {
        "test": unit(SAMPLES),
        "train": unit(SAMPLES),
        "augmented": unit(DRAWS, SAMPLES),
        "composed": unit(composed_draws(SAMPLES, DRAWS), SAMPLES),
        "velocities": unit(1 + len(GENERATORS), SAMPLES),
    }
    split = Split(np.zeros((SAMPLES, 1, 1, 1), dtype=np.uint8), {})
    dataset = PreparedDataset("random", "image", {}, split, split, "0" * 64, [], [])
    settings = EvaluationConfig(augmentations=DRAWS)
    embedded = Embedded(dataset, settings, parts.__getitem__, smooth=GENERATORS)
    for protocol in OURS:
        if protocol.family in FAMILIES:
            assert all(one.value is not None or one.reason for one in protocol.measure(embedded))


def test_every_matrix_is_decomposed_once(decomposed: Counter[tuple[str, tuple[int, ...]]]) -> None:
    measure_all()
    # Maps of the five draws that are composed, and two for each composition; in the certificate the plain embeddings;
    # one half of each draw for what is held out.
    assert decomposed["svd", SQUARE] == 5 + 2 * 5 + 1 + DRAWS
    assert decomposed["svdvals", SQUARE] == DRAWS - 5, "the errors of the other draws"
    assert decomposed["eigh", SQUARE] == DRAWS, "the views of the certificate"
    assert decomposed["svd", HALF] == 2, "the linear map of what is held out, and the generators together"
    assert len(decomposed) == 4


def test_of_a_large_set_fewer_maps_are_fitted(
    decomposed: Counter[tuple[str, tuple[int, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("measurement", "embedded"):
        monkeypatch.setattr(f"care_bench.evaluation.{module}.MOST_SAMPLES", SAMPLES - 1)
    measure_all()
    # Three draws are composed; five have a map that is held out, whose error the certificate takes.
    assert decomposed["svd", SQUARE] == 3 + 2 * 3 + 1 + 5
    assert decomposed["svdvals", SQUARE] == DRAWS - 3
    assert decomposed["eigh", SQUARE] == 5
    assert decomposed["svd", HALF] == 2
    assert len(decomposed) == 4
