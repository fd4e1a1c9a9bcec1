"""Hypothesis strategies: points on spheres and elements of groups, as float64 tensors.

Everything random is made from drawn sizes and a drawn integer seed, so that a failing example shrinks to the smallest
sizes. A failure prints the call that makes the example again (``make_points(n=1, d=1, seed=0, kind='uniform')``).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import geomstats.geometry.special_orthogonal as geomstats_so
import numpy as np
import scipy.linalg
import scipy.stats
import torch
from hypothesis import note
from hypothesis import strategies as st
from torch import Tensor

POINT_KINDS = ("uniform", "clustered", "near_duplicate", "collinear", "rank_deficient")
ORTHOGONAL_KINDS = ("near_identity", "special", "uniform", "reflection")
NEAR = 1e-3
"""Spread of clusters and of maps near the identity."""


def seeds() -> st.SearchStrategy[int]:
    """Seeds of numpy generators; they shrink towards 0."""
    return st.integers(min_value=0, max_value=2**32 - 1)


def generator(purpose: str, seed: int) -> np.random.Generator:
    """Return the generator for one purpose: one seed gives independent numbers for different purposes."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def make_points(n: int, d: int, seed: int, kind: str = "uniform") -> Tensor:
    """Return n points on the unit sphere of R^d as rows.

    Args:
        n: how many.
        d: dimension.
        seed: of the numpy generator.
        kind: "uniform"; "clustered" (within about NEAR of one centre); "near_duplicate" (pairs about 1e-7 apart);
            "collinear" (all on one line); "rank_deficient" (in a subspace of dimension d - 1, or 1 where d = 1).
    """
    rng = generator("points", seed)
    rows = rng.standard_normal((n, d))
    if kind == "clustered":
        rows = _unit(rng.standard_normal(d)) + NEAR * rows
    elif kind == "near_duplicate":
        half = rows[: (n + 1) // 2]
        rows = np.concatenate([half, half + 1e-7 * rng.standard_normal(half.shape)])[:n]
    elif kind == "collinear":
        rows = rng.choice([-1.0, 1.0], (n, 1)) * rng.standard_normal(d)
    elif kind == "rank_deficient" and d > 1:
        rows = rng.standard_normal((n, d - 1)) @ scipy.stats.ortho_group(d).rvs(random_state=rng)[1:]
    return torch.from_numpy(_unit(rows))


@st.composite
def sphere_points(
    draw: st.DrawFn, min_n: int = 1, max_n: int = 64, min_d: int = 1, max_d: int = 32, kind: str | None = None
) -> Tensor:
    """Points on the unit sphere, (n, d) rows; ``kind`` as in :func:`make_points`, any of them where None."""
    n, d = draw(st.integers(min_n, max_n)), draw(st.integers(min_d, max_d))
    kind = draw(st.sampled_from(POINT_KINDS)) if kind is None else kind
    return _noted(make_points, n=n, d=d, seed=draw(seeds()), kind=kind)


@st.composite
def full_rank_points(draw: st.DrawFn, min_n: int = 1, max_n: int = 64, min_d: int = 1, max_d: int = 32) -> Tensor:
    """Points on the unit sphere that span R^d, (n, d) rows with n >= d and smallest singular value >= 0.42.

    The rows are a slightly perturbed orthonormal basis and uniform points.
    """
    d = draw(st.integers(min_d, min(max_d, max_n)))
    n = draw(st.integers(max(min_n, d), max_n))
    return _noted(make_full_rank_points, n=n, d=d, seed=draw(seeds()))


def make_full_rank_points(n: int, d: int, seed: int, smallest: float | None = None, weak: int = 1) -> Tensor:
    """Return n >= d points on the unit sphere that span R^d; rows in random order.

    Args:
        n: how many.
        d: dimension.
        seed: of the numpy generator.
        smallest: smallest singular value, met to 1 %, where d > ``weak``: the points are squeezed towards a subspace.
            It is >= 0.42 where None, and in one dimension the root of n.
        weak: how many directions are squeezed.
    """
    rng = generator("full rank points", seed)
    rows = np.concatenate([make_orthogonal(d, int(rng.integers(2**32))).numpy(), rng.standard_normal((n - d, d))])
    moved = rng.standard_normal((d, d))
    rows[:d] += 0.4 * rng.random() * moved / max(np.linalg.norm(moved, 2), 1e-12)
    rows = _unit(rows)
    if smallest is not None and d > weak:
        rows = _squeezed(rows, scipy.stats.ortho_group(d).rvs(random_state=rng)[:weak], smallest)
    return torch.from_numpy(rng.permutation(rows))


def ranks(smallest: int = 1) -> st.SearchStrategy[int]:
    """Dimensions up to 32, and 64 and 128, which is the dimension of the paper's projections."""
    few = st.integers(smallest, 32)
    return st.one_of(few, few, few, st.sampled_from((64, 128)))


def spectra() -> st.SearchStrategy[float | None]:
    """Smallest singular values from 0.4 down to 1e-3, by their logarithm; None leaves spread points as they are."""
    return st.none() | st.floats(-3.0, -0.4).map(lambda exponent: 10.0**exponent)


def same_gram(a: Tensor) -> Tensor:
    """Return B with B B^T = A A^T: L of A = L Q, padded to d columns, so that no map is chosen and no SVD used."""
    upper = np.linalg.qr(a.numpy().T, mode="r")
    b = np.zeros(tuple(a.shape))
    b[:, : len(upper)] = upper.T
    return torch.from_numpy(b)


def moved_row(b: Tensor, seed: int, size: float) -> Tensor:
    """Return b with one row turned by ``size`` radians towards a random direction; d >= 2."""
    rng = generator("moved row", seed)
    row, moved = int(rng.integers(len(b))), b.clone()
    away = torch.from_numpy(rng.standard_normal(b.shape[1]))
    away -= (away @ b[row]) * b[row]
    moved[row] = np.cos(size) * b[row] + np.sin(size) * away / away.norm()
    return moved


def make_orthogonal(d: int, seed: int, kind: str = "uniform") -> Tensor:
    """Return an orthogonal (d, d) matrix.

    Args:
        d: dimension.
        seed: of the numpy generator.
        kind: "uniform" (Haar measure on O(d), scipy.stats); "special" (geomstats, determinant +1);
            "near_identity" (exponential of a skew matrix of size NEAR); "reflection" (determinant -1).
    """
    rng = generator("orthogonal", seed)
    if kind == "special" and d > 1:
        return _special(d, rng)
    if kind == "special":
        return torch.ones(1, 1, dtype=torch.float64)  # the only element of SO(1), which geomstats lacks
    if kind == "near_identity":
        skew = rng.standard_normal((d, d))
        return torch.from_numpy(scipy.linalg.expm(NEAR * (skew - skew.T)))
    matrix = scipy.stats.ortho_group(d).rvs(random_state=rng) if d > 1 else rng.choice([-1.0, 1.0], (1, 1))
    if kind == "reflection" and np.linalg.det(matrix) > 0:
        matrix[0] *= -1.0
    return torch.from_numpy(matrix)


@st.composite
def orthogonal(draw: st.DrawFn, d: int, kind: str | None = None) -> Tensor:
    """Orthogonal matrices, (d, d); ``kind`` as in :func:`make_orthogonal`, any of them where None."""
    kind = draw(st.sampled_from(ORTHOGONAL_KINDS)) if kind is None else kind
    return _noted(make_orthogonal, d=d, seed=draw(seeds()), kind=kind)


def make_lorentz(p: int, q: int, seed: int) -> Tensor:
    """Return an element of O(p, q) connected to the identity, (p + q, p + q): exp(J K), K skew, J = diag(1_p, -1_q)."""
    half = generator("lorentz", seed).standard_normal((p + q, p + q)) / (p + q)
    form = np.diag([1.0] * p + [-1.0] * q)
    return torch.from_numpy(scipy.linalg.expm(form @ (half - half.T)))


@st.composite
def lorentz(draw: st.DrawFn, p: int, q: int) -> Tensor:
    """Elements of O(p, q), see :func:`make_lorentz`."""
    return _noted(make_lorentz, p=p, q=q, seed=draw(seeds()))


def make_symplectic(m: int, seed: int) -> Tensor:
    """Return an element of Sp(2m, R), (2m, 2m): exp(J S) with S symmetric, J = [[0, I], [-I, 0]]."""
    half = generator("symplectic", seed).standard_normal((2 * m, 2 * m)) / (2 * m)
    form = np.kron([[0.0, 1.0], [-1.0, 0.0]], np.eye(m))
    return torch.from_numpy(scipy.linalg.expm(form @ (half + half.T)))


@st.composite
def symplectic(draw: st.DrawFn, m: int) -> Tensor:
    """Elements of Sp(2m, R), see :func:`make_symplectic`."""
    return _noted(make_symplectic, m=m, seed=draw(seeds()))


def make_unitary(d: int, seed: int) -> Tensor:
    """Return a unitary matrix, (d, d) complex128: exp(i H) with H Hermitian."""
    rng = generator("unitary", seed)
    half = rng.standard_normal((d, d)) + 1j * rng.standard_normal((d, d))
    return torch.from_numpy(scipy.linalg.expm(1j * (half + half.conj().T)))


@st.composite
def unitary(draw: st.DrawFn, d: int) -> Tensor:
    """Unitary matrices, see :func:`make_unitary`."""
    return _noted(make_unitary, d=d, seed=draw(seeds()))


def _noted(make: Callable[..., Tensor], **drawn: Any) -> Tensor:
    """Make the tensor, and let hypothesis print the call with a failing example."""
    note(f"{make.__name__}({', '.join(f'{name}={value!r}' for name, value in drawn.items())})")
    return make(**drawn)


def _squeezed(rows: np.ndarray, directions: np.ndarray, smallest: float) -> np.ndarray:
    """Scale unit rows along some directions until, normalised again, their smallest singular value is ``smallest``."""
    along, factor = rows @ directions.T @ directions, 1.0
    for _ in range(30):
        squeezed = _unit(rows + (factor - 1.0) * along)
        found = np.linalg.svd(squeezed, compute_uv=False)[-1]
        if abs(found / smallest - 1.0) < 0.01:
            return squeezed
        factor *= smallest / found
    raise ArithmeticError(f"squeezing reached a smallest singular value of {found}; expected {smallest}")


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def _special(d: int, rng: np.random.Generator) -> Tensor:
    """Return an element of SO(d) from geomstats, whose sampler draws from numpy's global generator."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002
        return torch.from_numpy(np.asarray(geomstats_so.SpecialOrthogonal(d).random_point())).reshape(d, d)
    finally:
        np.random.set_state(state)  # noqa: NPY002
