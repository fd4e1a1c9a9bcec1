"""Groups that preserve a form: their elements, and rows that have a given Gram matrix."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from care_bench.losses import Form, form_equivariance, hermitian, minkowski, symplectic
from theory_checks import strategies
from theory_checks.measures_other_groups import (
    form_defect,
    lorentz_rows,
    recovered_map,
    symplectic_rows,
    unitary_rows,
)
from theory_checks.tolerances import EXACT

CONDITION = 100.0
"""Factor by which the drawn points (smallest singular value >= 0.1) can magnify rounding: 1 / 0.1^2."""


@dataclass(frozen=True)
class Group:
    """A group: its form in d dimensions, the form's matrix J, its elements, and rows that have a given Gram matrix."""

    name: str
    dimensions: st.SearchStrategy[int]
    form: Callable[[int], Form]
    matrix: Callable[[int], Tensor]
    elements: Callable[[int], st.SearchStrategy[Tensor]]
    rows: Callable[[Tensor, int], Tensor]

    @property
    def statement(self) -> str:
        """Id of the statement about the group."""
        return f"other-groups-{self.name}"

    def points(self, n: int, d: int, seed: int) -> Tensor:
        """Return rows that span the whole space, smallest singular value >= 0.1; complex for the unitary group."""
        rows = strategies.make_full_rank_points(n, d, seed)
        if self.name != "unitary":
            return rows
        rng = strategies.generator("complex", seed)
        basis = np.linalg.qr(rng.standard_normal((d, d)) + 1j * rng.standard_normal((d, d))).Q
        phases = np.exp(2j * math.pi * rng.random((n, 1)))
        return torch.from_numpy(phases * (rows.numpy() @ basis))


def signs(*values: float) -> Tensor:
    """Return the diagonal matrix of the values."""
    return torch.diag(torch.tensor(values, dtype=torch.float64))


GROUPS = {
    group.name: group
    for group in (
        Group(
            "lorentz",
            st.integers(2, 6),
            lambda d: minkowski(d - 1, 1),
            lambda d: signs(*[1.0] * (d - 1), -1.0),
            lambda d: strategies.lorentz(d - 1, 1),
            lambda gram, d: lorentz_rows(gram, d - 1, 1),
        ),
        Group(
            "symplectic",
            st.sampled_from((2, 4, 6)),
            lambda d: symplectic,
            lambda d: torch.kron(torch.tensor([[0.0, 1], [-1, 0]]), torch.eye(d // 2)).double(),
            lambda d: strategies.symplectic(d // 2),
            lambda gram, d: symplectic_rows(gram),
        ),
        Group(
            "unitary",
            st.integers(1, 6),
            lambda d: hermitian,
            lambda d: torch.eye(d, dtype=torch.complex128),
            strategies.unitary,
            unitary_rows,
        ),
    )
}


def root_of_sum(form: Form, z: Tensor, za: Tensor) -> float:
    """Return the Frobenius norm of the Gram difference, from the loss."""
    return len(z) * math.sqrt(form_equivariance(form, z, za).item())


def hold_element(gap: float, z: Tensor, za: Tensor, J: Tensor) -> float:
    """Return how far the views are from differing by one element; assert that they do where the loss is zero."""
    G, misfit = recovered_map(z, za)
    distance = max(form_defect(J, G), misfit)
    size = CONDITION * max(1.0, float(G.abs().max()) ** 2)
    assert gap > EXACT or distance <= EXACT * size, f"zero loss, yet {distance} away from the group"
    return distance / size
