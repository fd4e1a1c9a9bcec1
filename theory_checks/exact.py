"""Rational embeddings and rational orthogonal maps, on which algebraic statements are checked without rounding."""

from __future__ import annotations

import sympy
import torch
from sympy import Matrix, Rational
from torch import Tensor

from theory_checks.strategies import generator


def whole_numbers(rows: int, columns: int, seed: int, size: int = 3) -> Matrix:
    """Return a matrix of whole numbers from -size to size."""
    return Matrix(generator("whole numbers", seed).integers(-size, size + 1, (rows, columns)).tolist())


def cayley(d: int, seed: int, reflected: bool = False) -> Matrix:
    """Return a rational orthogonal (d, d) matrix: Cayley's (I - S)(I + S)^-1 with S skew, of determinant +1.

    Args:
        d: dimension.
        seed: of the numpy generator.
        reflected: whether the first row is negated, so that the determinant is -1.
    """
    half = whole_numbers(d, d, seed) / 2
    skew = half - half.T
    rotation = (sympy.eye(d) - skew) * (sympy.eye(d) + skew).inv()
    return sympy.diag(-1, sympy.eye(d - 1)) * rotation if reflected else rotation


def unit_rows(n: int, d: int, seed: int) -> Matrix:
    """Return n rational points of the unit sphere as rows, d of them a basis where n >= d."""
    blocks = [cayley(d, seed + place) for place in range(-(-n // d))]
    return Matrix.vstack(*blocks)[:n, :]


def loss(a: Matrix, b: Matrix) -> Rational:
    """Return the equivariance loss, the mean squared Gram difference over the pairs of different rows."""
    difference = a * a.T - b * b.T
    n = a.rows
    off_diagonal = sum(difference[i, j] ** 2 for i in range(n) for j in range(n) if i != j)
    return Rational(off_diagonal) / (n * (n - 1))


def by_reflections(a: Matrix, b: Matrix) -> Matrix:
    """Return R with A R^T = B for A A^T = B B^T, a product of reflections: the proof of Cor. 3, at every rank.

    Row after row, the reflection in x - y takes x = R a_i to y = b_i. It keeps each earlier b_j, since (x - y).b_j =
    a_i.a_j - b_i.b_j = 0.
    """
    found = sympy.eye(a.cols)
    for i in range(a.rows):
        across = found * a.row(i).T - b.row(i).T
        if any(across):
            found = (sympy.eye(a.cols) - across * across.T * 2 / across.dot(across)) * found
    return found


def size(matrix: Matrix) -> Rational:
    """Return the sum of the absolute values of the entries: exactly zero where the matrix is."""
    return Rational(sum(abs(entry) for entry in matrix))


def squared_distance(a: Matrix, b: Matrix) -> Rational:
    """Return the squared Frobenius norm of a - b."""
    return Rational(sum(entry**2 for entry in a - b))


def fitted(a: Matrix, b: Matrix) -> Matrix:
    """Return the only linear map M with A M^T = B, for A of full column rank: B^T A (A^T A)^-1."""
    return b.T * a * (a.T * a).inv()


def as_tensor(matrix: Matrix) -> Tensor:
    """Return the nearest float64 tensor."""
    return torch.tensor(matrix.tolist(), dtype=torch.float64)
