"""Measures of forms and of the groups that preserve them. Rows are samples: za = z @ G.T for an element G."""

from __future__ import annotations

import torch
from torch import Tensor


def recovered_map(z: Tensor, za: Tensor) -> tuple[Tensor, float]:
    """Return the best linear map G (d, d) from z (n, d) to za, and the Frobenius norm of za - z G^T.

    Least squares by the pseudo-inverse, which takes the smallest of several best maps.
    """
    G = (torch.linalg.pinv(z) @ za).mT
    return G, float(torch.linalg.matrix_norm(za - z @ G.mT))


def form_defect(J: Tensor, G: Tensor) -> float:
    """Return the Frobenius norm of G^T J conj(G) - J: zero where G preserves the form x J y^H."""
    return float(torch.linalg.matrix_norm(G.mT @ J @ G.conj() - J))


def lorentz_rows(gram: Tensor, p: int, q: int) -> Tensor:
    """Return rows (n, p + q) whose Gram matrix of signature (p, q) is ``gram``, from its eigenvectors alone."""
    values, vectors = torch.linalg.eigh(gram)
    scaled = vectors * values.abs().sqrt()
    size = float(values.abs().max())
    plus, minus = (scaled[:, sign * values > 1e-10 * size] for sign in (1, -1))
    rows = gram.new_zeros(len(gram), p + q)
    rows[:, : plus.shape[1]] = plus
    rows[:, p : p + minus.shape[1]] = minus
    return rows


def symplectic_rows(gram: Tensor) -> Tensor:
    """Return rows (n, 2m) whose symplectic Gram matrix is ``gram``, alternating of rank 2m, from its eigenvectors.

    Where i gram u = s u with s > 0 and u = (a + i b) / sqrt 2, gram a = s b and gram b = -s a.
    """
    values, vectors = torch.linalg.eigh(1j * gram)
    keep = values > 1e-10 * values.max()
    scaled = vectors[:, keep] * (2 * values[keep]).sqrt()
    return torch.cat([scaled.imag, scaled.real], dim=1)


def unitary_rows(gram: Tensor, d: int) -> Tensor:
    """Return rows (n, d) whose Hermitian Gram matrix is ``gram``, of rank at most d, from its eigenvectors."""
    values, vectors = torch.linalg.eigh(gram)
    rows = (vectors * values.clamp(min=0).sqrt())[:, -d:]
    return torch.cat([rows, rows.new_zeros(len(rows), d - rows.shape[1])], dim=1)


def unitary_procrustes(z: Tensor, za: Tensor) -> tuple[Tensor, float]:
    """Return the best unitary map G from z to za and the Frobenius norm of za - z G^T."""
    u, _, vh = torch.linalg.svd(z.mH @ za)
    G = (u @ vh).mT
    return G, float(torch.linalg.matrix_norm(za - z @ G.mT))


def lorentz_extension(z: Tensor, za: Tensor, p: int, q: int) -> Tensor:
    """Extend z -> za, k < p + q independent rows with equal non-degenerate Gram matrices, to a Lorentz element (Witt).

    Each span is completed by a basis of its complement under the form whose Gram matrix is diag(1, ..., -1, ...). By
    Sylvester's law both have the same signs, and two bases with equal Gram matrices differ by one element.
    """
    whole = [torch.cat([rows, _complement(rows, p, q)]) for rows in (z, za)]
    return torch.linalg.solve(*whole).mT


def null_to_null(start: Tensor, end: Tensor) -> Tensor:
    """Return a Lorentz element that carries one null vector of R^(d-1,1), time last, to another, both of positive time.

    A reflection of space takes one direction to the other; a boost along it then scales.
    """
    d, stretch = len(start), float(end[-1] / start[-1])
    before, after = start[:-1] / start[-1], end[:-1] / end[-1]
    mirror = torch.eye(d, dtype=start.dtype)
    difference = before - after
    if difference.norm() > 0:
        mirror[:-1, :-1] -= 2 * torch.outer(difference, difference) / difference.dot(difference)
    cosh, sinh = (stretch + 1 / stretch) / 2, (stretch - 1 / stretch) / 2
    boost = torch.eye(d, dtype=start.dtype)
    boost[:-1, :-1] += (cosh - 1) * torch.outer(after, after)
    boost[:-1, -1] = boost[-1, :-1] = sinh * after
    boost[-1, -1] = cosh
    return boost @ mirror


def _complement(rows: Tensor, p: int, q: int) -> Tensor:
    J = torch.diag(torch.tensor([1.0] * p + [-1.0] * q, dtype=rows.dtype))
    basis = torch.linalg.svd(rows @ J).Vh[len(rows) :]
    values, vectors = torch.linalg.eigh(basis @ J @ basis.mT)
    return (vectors / values.abs().sqrt()).mT @ basis
