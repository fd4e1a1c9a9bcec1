"""Values of the released losses as parametrised fixtures, and matrices shared by the tests of losses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group
from torch import Tensor

FOLDER = Path(__file__).parent / "reference"
VALUES = json.loads((FOLDER / "released_code_losses.json").read_text())

NT_XENT = [
    SimpleNamespace(case=row["case"], temperature=float(temperature), **values)
    for row in VALUES["cases"]
    for temperature, values in row["nt_xent"].items()
]
EQUIVARIANCE = [
    SimpleNamespace(case=row["case"], splits=int(splits), loss=loss)
    for row in VALUES["cases"]
    for splits, loss in row["equivariance_released_code"].items()
]


def with_embeddings(values: SimpleNamespace) -> SimpleNamespace:
    embeddings = np.load(FOLDER / "embeddings.npz")
    z1, z2 = (embeddings[f"z{view}_{values.case}"] for view in (1, 2))
    return SimpleNamespace(**vars(values), z1=z1, z2=z2)


@pytest.fixture(params=NT_XENT, ids=lambda row: f"case{row.case}-temperature{row.temperature}")
def released_nt_xent(request: pytest.FixtureRequest) -> SimpleNamespace:
    return with_embeddings(request.param)


@pytest.fixture(params=EQUIVARIANCE, ids=lambda row: f"case{row.case}-splits{row.splits}")
def released_equivariance(request: pytest.FixtureRequest) -> SimpleNamespace:
    return with_embeddings(request.param)


@pytest.fixture
def released_moco() -> SimpleNamespace:
    embeddings = np.load(FOLDER / "embeddings.npz")
    query, key, columns = (embeddings[f"moco_{name}"] for name in ("q", "k", "queue"))
    return SimpleNamespace(**VALUES["moco"], query=query, key=key, queue=columns.T)


@pytest.fixture
def unit_rows() -> Callable[..., Tensor]:
    def draw(rows: int, dimension: int, seed: int) -> Tensor:
        z = np.random.default_rng(seed).standard_normal((rows, dimension))
        return torch.from_numpy(z / np.linalg.norm(z, axis=1, keepdims=True))

    return draw


@pytest.fixture
def orthogonal() -> Callable[[int, int], Tensor]:
    """Haar-distributed elements of O(d): a reflection in half of the draws."""
    return lambda dimension, seed: torch.from_numpy(np.asarray(ortho_group.rvs(dimension, random_state=seed)))
