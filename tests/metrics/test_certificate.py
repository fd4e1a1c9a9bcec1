from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from care_bench.metrics import certificate

C = math.sqrt(1 / (2 * (math.sqrt(2) - 1)))


def points(n: int, d: int, seed: int, decay: float = 1.0) -> np.ndarray:
    """Return n points on the sphere; each dimension is ``decay`` times as wide as the one before."""
    rows = np.random.default_rng(seed).standard_normal((n, d)) * decay ** np.arange(d)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def near(z: np.ndarray, size: float, seed: int) -> np.ndarray:
    """Return the points turned by one orthogonal map, each moved a little on the sphere."""
    d = z.shape[1]
    moved = z @ ortho_group.rvs(d, random_state=seed).reshape(d, d) + size * points(*z.shape, seed + 1)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def by_definition(z: np.ndarray, za: np.ndarray) -> dict[str, float]:
    """Compute every field from n x n Gram matrices and singular value decompositions of the points themselves."""
    n, d = z.shape
    gap = np.linalg.norm(z @ z.T - za @ za.T)
    singular = np.linalg.svd(z, compute_uv=False)
    bounds = [math.sqrt((z**2).sum() + (za**2).sum())]
    v, w = np.linalg.svd(z)[2].T, np.linalg.svd(za)[2].T
    for k in range(1, min(n, d) + 1):
        first, second = z @ v[:, :k], za @ w[:, :k]
        part = C * np.linalg.norm(first @ first.T - second @ second.T) / np.linalg.svd(first, compute_uv=False)[-1]
        bounds.append(math.sqrt(part**2 + np.linalg.norm(z @ v[:, k:]) ** 2 + np.linalg.norm(za @ w[:, k:]) ** 2))
    pairs = (z @ z.T - za @ za.T)[~np.eye(n, dtype=bool)]
    return {
        "loss": (pairs**2).mean(),
        "smallest_singular_value": singular[-1],
        "condition": math.sqrt(gap) / singular[-1],
        "printed_bound": (1 + math.sqrt(2)) * gap / singular[-1] / math.sqrt(n),
        "bound": min(bounds) / math.sqrt(n),
        "rank": int(np.argmin(bounds)),
        "error": np.linalg.norm(z @ orthogonal_procrustes(z, za)[0] - za) / math.sqrt(n),
    }


@pytest.mark.parametrize(("n", "d", "decay"), [(40, 5, 1.0), (41, 16, 0.7), (60, 32, 0.5), (30, 2, 1.0), (50, 1, 1.0)])
@pytest.mark.parametrize("size", [0.01, 0.3, 3.0])
def test_agrees_with_the_definition(n: int, d: int, decay: float, size: float) -> None:
    z = points(n, d, 0, decay)
    views = np.stack([near(z, size, seed) for seed in (1, 2, 3)])
    found = certificate(torch.from_numpy(z), torch.from_numpy(views))
    for index, view in enumerate(views):
        for name, value in by_definition(z, view).items():
            assert getattr(found, name)[index].item() == pytest.approx(value, rel=1e-6, abs=1e-8), name


@pytest.mark.parametrize("size", [0.0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
def test_a_small_loss_is_not_lost_in_the_difference_of_squares(size: float) -> None:
    """The difference of squares alone has a floor of 1e-8 of the Gram matrices: a condition of 0.2 here, for a zero."""
    z = points(60, 8, 0, decay=0.3)
    view = near(z, size, 1)
    found = certificate(torch.from_numpy(z), torch.from_numpy(view))
    singular = np.linalg.svd(z, compute_uv=False)
    gap = np.linalg.norm(z @ z.T - view @ view.T)
    assert found.condition.item() == pytest.approx(math.sqrt(gap) / singular[-1], rel=1e-3, abs=1e-3)
    assert found.bound.item() <= math.sqrt(1 / (2 * (math.sqrt(2) - 1)) / 60) * gap / singular[-1] * 1.001 + 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_holds_and_the_trivial_one_is_never_exceeded(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 60)), int(rng.integers(1, 40))
    z = points(n, d, seed, decay=rng.uniform(0.3, 1))
    views = np.stack([near(z, size, seed) for size in (0.0, 1e-4, 1e-2, 0.1, 1.0, 100.0)])
    found = certificate(torch.from_numpy(z), torch.from_numpy(views))
    assert (found.error <= found.bound + 1e-7).all()
    assert (found.bound <= math.sqrt(2) + 1e-12).all()
    admissible = found.condition <= 1 / math.sqrt(2)
    assert (found.error[admissible] <= found.printed_bound[admissible] + 1e-7).all()


def test_a_low_rank_is_certified_where_the_printed_bound_says_nothing() -> None:
    z = points(200, 32, 0, decay=0.4)
    view = near(z, 0.01, 1)
    found = certificate(torch.from_numpy(z), torch.from_numpy(view))
    assert found.condition > 1 / math.sqrt(2)
    assert found.printed_bound > math.sqrt(2)
    assert 0 < found.rank < 32
    assert found.error <= found.bound < 0.2


def test_collapsed_embeddings_are_certified_and_their_printed_bound_is_not_finite() -> None:
    z = torch.tensor([[1.0, 0.0, 0.0]]).expand(8, 3)
    found = certificate(z, torch.tensor([[0.0, 0.0, -1.0]]).expand(8, 3))
    assert found.loss == found.smallest_singular_value == 0
    assert not found.condition.isfinite()
    assert not found.printed_bound.isfinite()
    assert found.bound.item() == pytest.approx(0, abs=1e-6)
    assert found.rank == 1


def test_fewer_samples_than_dimensions_have_no_full_rank() -> None:
    z = torch.from_numpy(points(5, 9, 0)).float()
    found = certificate(z, torch.from_numpy(near(z.double().numpy(), 0.1, 1)).float())
    assert found.smallest_singular_value == 0
    assert found.error <= found.bound <= math.sqrt(2)


@pytest.mark.parametrize("n", [100, 20_000])
def test_a_small_singular_value_is_none_of_rounding_however_many_samples_there_are(n: int) -> None:
    """float32 holds 3e-4 of the largest singular value to three digits; a direction that is missing stays missing."""
    z = np.random.default_rng(0).standard_normal((n, 8)) * [1, 1, 1, 1, 1, 1, 1, 3e-4]
    rows = torch.from_numpy(z).float()
    smallest = np.linalg.svd(z, compute_uv=False)[-1]
    assert certificate(rows, rows.flip(1)).smallest_singular_value.item() == pytest.approx(smallest, rel=1e-3)
    flat = torch.from_numpy(z[:, :7] @ np.random.default_rng(1).standard_normal((7, 8))).float()
    assert certificate(flat, flat.flip(1)).smallest_singular_value == 0


def test_one_sample_is_no_pair() -> None:
    with pytest.raises(ValueError, match="n >= 2"):
        certificate(torch.ones(1, 3), torch.ones(1, 3))
