"""Groups that act on data and on embeddings: finite groups given by a table, rotations by an encoder."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from theory_checks.strategies import make_full_rank_points, make_orthogonal


@dataclass(frozen=True)
class FiniteGroup:
    """A finite group and one of its orthogonal representations.

    Attributes:
        name: such as "dihedral 3".
        table: (G, G) int64; table[a, b] is the element ab (first b, then a).
        representation: (G, d, d) orthogonal float64 matrices.
    """

    name: str
    table: Tensor
    representation: Tensor

    def orbits(self, count: int, seed: int) -> Tensor:
        """Return embeddings of ``count`` >= d free orbits, (count, G, d) unit rows that span R^d, in a random basis.

        The data are the pairs (orbit, g), and an augmentation a takes (orbit, g) to (orbit, ag). An encoder with
        f(orbit, g) = Q rho(g) v has loss zero for every a. The fit of R_a knows neither rho nor Q.
        """
        d = self.representation.shape[-1]
        start = make_full_rank_points(count, d, seed)
        hidden = make_orthogonal(d, seed)
        return torch.einsum("ij,gjk,ck->cgi", hidden, self.representation, start)

    def augmented(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embeddings as (n, d) rows and, for every element a, those of the augmented data, (G, n, d)."""
        count, order, d = embeddings.shape
        moved = embeddings[:, self.table]  # (count, G, G, d): orbit, augmentation, element
        return embeddings.reshape(-1, d), moved.transpose(0, 1).reshape(order, count * order, d)


def cyclic(m: int) -> FiniteGroup:
    """Return the cyclic group of order m: a turn by 2 pi / m, one by twice that, and the trivial representation."""
    elements = torch.arange(m)
    turn = block(*(angle_matrix(2 * np.pi * k / m) for k in (1, 2)), torch.ones(1, 1).double())
    powers = torch.stack([torch.linalg.matrix_power(turn, int(k)) for k in elements])
    return FiniteGroup(f"cyclic {m}", (elements[:, None] + elements) % m, powers)


def dihedral(m: int) -> FiniteGroup:
    """Return the symmetries of the regular m-gon, order 2m, acting on the plane, and on a line by their determinant."""
    turn, flip = angle_matrix(2 * np.pi / m), torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
    plane = [torch.linalg.matrix_power(turn, k) @ torch.linalg.matrix_power(flip, s) for s in (0, 1) for k in range(m)]
    k, s = torch.arange(m).repeat(2), torch.arange(2).repeat_interleave(m)
    sign = 1 - 2 * s
    table = (k[:, None] + sign[:, None] * k) % m + m * ((s[:, None] + s) % 2)  # F T = T^-1 F
    maps = torch.stack([block(map_, sign_.double().reshape(1, 1)) for map_, sign_ in zip(plane, sign, strict=True)])
    return FiniteGroup(f"dihedral {m}", table, maps)


def permutations(m: int) -> FiniteGroup:
    """Return all m! permutations of coordinates, acting on R^m by permutation matrices."""
    words = list(itertools.permutations(range(m)))
    index = {word: place for place, word in enumerate(words)}
    table = torch.tensor([[index[tuple(a[i] for i in b)] for b in words] for a in words])
    maps = torch.zeros(len(words), m, m, dtype=torch.float64)
    for place, word in enumerate(words):
        maps[place, list(word), list(range(m))] = 1.0
    return FiniteGroup(f"permutations {m}", table, maps)


def encode_circle(angles: Tensor, frequencies: tuple[int, ...], hidden: Tensor) -> Tensor:
    """Embed angles x by (cos kx, sin kx) for each frequency k, equal weights, in the basis ``hidden``.

    Turning the circle by t acts by a rotation of each plane by kt.

    Args:
        angles: (n,) radians.
        frequencies: k of each plane.
        hidden: (2 len(frequencies), same) orthogonal.

    Returns:
        (n, 2 len(frequencies)) unit rows.
    """
    multiples = angles[:, None] * torch.tensor(frequencies, dtype=angles.dtype)
    planes = torch.stack([multiples.cos(), multiples.sin()], dim=2).flatten(1)
    return planes / len(frequencies) ** 0.5 @ hidden.mT


def encode_directions(directions: Tensor, hidden: Tensor) -> Tensor:
    """Embed unit vectors x of R^3 by x beside the entries of x x^T - I / 3, in the basis ``hidden``: degrees 1 and 2.

    Turning space by T acts by T on the first three and by M -> T M T^T on the symmetric, traceless rest, written in an
    orthonormal basis of the 5 dimensions it fills.

    Args:
        directions: (n, 3) unit rows.
        hidden: (8, 8) orthogonal.

    Returns:
        (n, 8) unit rows.
    """
    square = directions[:, :, None] * directions[:, None, :]
    x, y, z = (square[:, i, i] for i in range(3))
    off = 2**0.5 * torch.stack([square[:, 0, 1], square[:, 0, 2], square[:, 1, 2]], dim=1)
    on = torch.stack([(x - y) / 2**0.5, (x + y - 2 * z) / 6**0.5], dim=1)
    rows = torch.cat([directions, off, on], dim=1)
    return rows / rows.norm(dim=1, keepdim=True) @ hidden.mT


def angle_matrix(angle: float) -> Tensor:
    """Return the rotation of the plane by ``angle`` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def block(*matrices: Tensor) -> Tensor:
    """Return the block diagonal matrix."""
    return torch.block_diag(*matrices)
