"""Wahba's problem: the rotation that best carries the embeddings of a test set to those of its augmented views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional

from care_bench.losses.checks import check_choice
from care_bench.metrics.checks import embedded_views
from care_bench.names import Group

ENTRIES_AT_ONCE = 2**22
"""Entries of the d x d matrices decomposed at a time (32 MiB in float64): one matrix for 2048 features."""
THIN_FROM = 512
"""Dimensions from which on an SVD in the span of the samples is worth its two more decompositions."""
EIGENVALUES_FROM = 512
"""Dimensions from which on singular values of float32 embeddings come from eigenvalues, in a third of the time."""
ROUNDINGS = 8
"""Roundings of the largest eigenvalue by which an eigenvalue may be off.

With up to 4,096 dimensions a sum of roots, half of them zero, was off by 0.7 of what this allows.
"""
POWER_ITERATIONS = 16
"""Enough to find a singular value three times as large as the next, to rounding."""
CANCELLING = 1e-3
"""Share of ||F||^2 + ||F_a||^2 below which a squared error is computed from the residual."""


@dataclass(frozen=True)
class Wahba:
    """Solution of Wahba's problem; with ``za`` of shape (..., n, d) every field carries the leading dimensions.

    Attributes:
        rotation: (..., d, d); rows are samples, so za is approximately z @ rotation.T (rotation.mT for a batch).
        error: (...), the Frobenius norm of za - z @ rotation.T over the whole set (the paper's W_f).
        error_per_sample: (...), error / sqrt(n): root mean square distance, comparable between test sets.
    """

    rotation: Tensor
    error: Tensor
    error_per_sample: Tensor


@dataclass(frozen=True)
class WahbaErrors:
    """``error`` and ``error_per_sample`` of :class:`Wahba`, without the rotation."""

    error: Tensor
    error_per_sample: Tensor


def wahba(z: Tensor, za: Tensor, group: Group = "SO") -> Wahba:
    """Solve min over R of ||R F - F_a|| with F = z^T and F_a = za^T, for each augmentation.

    R = U diag(1, ..., 1, det U det V) V^T where U Sigma V^T is the SVD of F_a F^T, computed in float64. (The paper's
    text prints n - 1 ones; the matrix is d x d, so there are d - 1.) The closed form of the squared error,
    ||F||^2 + ||F_a||^2 - 2 tr(...), cancels when the fit is good; then the error is computed from the residual. For
    few samples of many dimensions, the SVD is that of an n x n matrix. Where the embeddings span less than R^d, several
    rotations have the same error, and one of them is returned.

    Args:
        z: (n, d) embeddings of the plain samples.
        za: (..., n, d) embeddings of the same samples in the same order, one augmentation per leading index.
        group: "SO" for rotations, as in the paper; "O" allows reflections as well (the determinant is left free).

    Returns:
        Tensors in the wider dtype of the inputs, at least float32, on their device.

    Raises:
        ValueError: shapes do not match, a value is not finite, or the group is unknown.

    Source: Fig. 5 and its text in CARE (arXiv 2306.13924); protocol wahba-v1.
    """
    check_choice("group", group, get_args(Group))
    return _solve(z, za, (group,))[group]


def wahba_by_group(z: Tensor, za: Tensor) -> dict[Group, Wahba]:
    """Solve Wahba's problem over rotations and over all orthogonal maps, from one decomposition.

    Zero loss promises an orthogonal map and no rotation: where an augmentation acts as a reflection of the embedding,
    the error over O(d) is zero, and the one over SO(d) twice the smallest singular value of F.

    Args:
        z: as in :func:`wahba`, which says what is raised as well.
        za: as in :func:`wahba`.

    Returns:
        The solutions over "SO" and "O".
    """
    return _solve(z, za, get_args(Group))


@torch.no_grad()
def wahba_errors(z: Tensor, za: Tensor) -> dict[Group, WahbaErrors]:
    """Return the errors of :func:`wahba_by_group` without its maps, from singular values alone.

    That takes a part of the time, and memory holds no d x d map for each augmentation. An augmentation whose fit is
    so good that the closed form cancels is solved in full.

    Args:
        z: as in :func:`wahba`, which says what is raised as well.
        za: as in :func:`wahba`.

    Returns:
        The errors over "SO" and "O".
    """
    leading = za.shape[:-2]
    z, views = embedded_views(z, za)
    n, d = z.shape
    plain = z.double()
    thin = _is_thin(n, d)
    triangle = torch.linalg.qr(plain.mT, mode="r").R if thin else None
    size = plain.square().sum()
    dtype = torch.promote_types(z.dtype, views.dtype)
    blocks = []
    for block in torch.split(views, max(1, ENTRIES_AT_ONCE // d**2)):
        squares = _squares(size, block)
        if triangle is None:
            products = _products(plain, block)
            sign = torch.linalg.slogdet(products).sign
            singular = _singular(products, squares, torch.finfo(dtype).eps)
        else:  # the least of the d singular values is zero, so its sign is no matter
            triangles = torch.linalg.qr(block.double().mT, mode="r").R
            singular = functional.pad(torch.linalg.svdvals(triangles @ triangle.mT), (0, d - n))
            sign = torch.ones_like(singular[:, 0])
        blocks.append(
            torch.stack([*(squares - 2 * _trace(singular, sign, group) for group in get_args(Group)), squares])
        )
    *squared, squares = torch.cat(blocks, dim=1)
    cancel = torch.stack(squared).amin(dim=0) <= CANCELLING * squares
    again = [i for i, one in enumerate(cancel.tolist()) if one]
    index = torch.tensor(again, dtype=torch.long).to(views.device)
    solved = _solve(z, views.index_select(0, index), get_args(Group)) if again else {}
    errors = {}
    for group, square in zip(get_args(Group), squared, strict=True):
        error = square.clamp(min=0).sqrt()
        both = error.to(dtype), (error / n**0.5).to(dtype)
        if again:
            for ours, theirs in zip(both, (solved[group].error, solved[group].error_per_sample), strict=True):
                ours.index_copy_(0, index, theirs)
        errors[group] = WahbaErrors(*(one.reshape(leading) for one in both))
    return errors


@torch.no_grad()
def _solve(z: Tensor, za: Tensor, groups: Sequence[Group]) -> dict[Group, Wahba]:
    leading = za.shape[:-2]
    z, views = embedded_views(z, za)
    n, d = z.shape
    dtype = torch.promote_types(z.dtype, views.dtype)
    plain = z.double()
    size = plain.square().sum()
    frame = torch.linalg.qr(plain.mT, mode="complete") if _is_thin(n, d) else None
    rotations: dict[Group, list[Tensor]] = {group: [] for group in groups}
    errors: dict[Group, list[Tensor]] = {group: [] for group in groups}
    for block in torch.split(views, max(1, ENTRIES_AT_ONCE // d**2)):
        if frame is None:
            u, singular, vh = _decomposed(plain, block)
        else:
            u, singular, vh = _decomposed_thin(frame.Q, frame.R, block)
        squares = _squares(size, block)
        free = u @ vh
        sign = torch.linalg.det(free).sign() if "SO" in groups else torch.ones_like(squares)
        for group in groups:
            rotation = free
            if group == "SO":  # the direction of the least singular value is reversed where the determinant is -1
                rotation = free + (u[..., -1:] * (sign[:, None, None] - 1)) * vh[..., -1:, :]
            squared = squares - 2 * _trace(singular, sign, group)
            errors[group] += _errors(plain, block, rotation, squared, squares)
            rotations[group].append(rotation.to(dtype))
    solutions = {}
    for group in groups:
        error = torch.stack(errors[group])
        solutions[group] = Wahba(
            rotation=torch.cat(rotations[group]).reshape(*leading, d, d),
            error=error.to(dtype).reshape(leading),
            error_per_sample=(error / n**0.5).to(dtype).reshape(leading),
        )
    return solutions


def _is_thin(n: int, d: int) -> bool:
    """Say whether to decompose in the span of the samples."""
    return d >= THIN_FROM and 2 * n <= d


def _trace(singular: Tensor, sign: Tensor, group: Group) -> Tensor:
    """Return tr(R F F_a^T) of the best R, from singular values (..., d) and the sign of the determinant (...)."""
    last = sign if group == "SO" else torch.ones_like(sign)
    return singular[..., :-1].sum(dim=-1) + last * singular[..., -1]


def _singular(products: Tensor, squares: Tensor, rounding: float) -> Tensor:
    """Return the singular values (b, d) of matrices (b, d, d), the largest first.

    Those of large matrices are roots of the eigenvalues of M^T M, where the errors ||F||^2 + ||F_a||^2 - 2 tr(...) that
    follow keep their digits. Eigenvalues are off by a few roundings of the largest, and a root by that over the root,
    or by at most its root. Embeddings have a mean, whose singular value is often much larger than all others, so it is
    taken out first.

    Args:
        products: (b, d, d).
        squares: (b,) ||F||^2 + ||F_a||^2.
        rounding: of the errors, relative, that does not matter.
    """
    double = torch.finfo(products.dtype).eps
    if products.shape[-1] < EIGENVALUES_FROM or rounding <= double:
        return _by_svd(products)
    largest, rest, off = _without_the_largest(products)
    values = torch.linalg.eigvalsh(rest.mT @ rest).flip(-1).clamp(min=0)
    roots = values.sqrt()
    each = ROUNDINGS * double * values[:, :1]
    off += torch.minimum(each / roots, each.sqrt()).sum(dim=1)
    # Taken out, the largest leaves a zero, which is the least.
    roots = torch.where(largest > 0, torch.cat([largest, roots[:, :-1]], dim=1), roots)
    lost = 2 * off > rounding * (squares - 2 * roots.sum(dim=1))
    if lost.any():
        roots[lost] = _by_svd(products[lost])
    return roots


def _without_the_largest(products: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Take the largest singular value out of matrices, where power iterations find its vectors.

    With a unit vector c and l = M c / |M c|, M is |M c| l c^T and a rest R, for which R c = 0. The sums of singular
    values of M, and of |M c| and R, differ by at most 2 |R^T l|, and by the rounding of R.

    Args:
        products: (b, d, d).

    Returns:
        The value (b, 1), zero where it was not found; what is left of the matrices, (b, d, d); and how much the sum of
        all singular values may be off, (b,).
    """
    rounded = products.shape[-1] * torch.finfo(products.dtype).eps
    right = functional.normalize(products.square().sum(dim=1), dim=1)[..., None]
    for _ in range(POWER_ITERATIONS):
        right = functional.normalize(products.mT @ (products @ right), dim=1)
    image = products @ right
    largest = torch.linalg.vector_norm(image, dim=(1, 2))
    rest = products - image @ right.mT
    coupling = torch.linalg.vector_norm(rest.mT @ image, dim=(1, 2)) / largest
    found = coupling <= rounded * largest
    off = torch.where(found, 2 * coupling + rounded * largest, 0.0)
    return (largest * found)[:, None], torch.where(found[:, None, None], rest, products), off


def _by_svd(products: Tensor) -> Tensor:
    singular: Tensor = torch.linalg.svdvals(products)
    return singular


def _products(plain: Tensor, block: Tensor) -> Tensor:
    return torch.stack([view.double().mT @ plain for view in block])


def _squares(size: Tensor, block: Tensor) -> Tensor:
    """Return ||F||^2 + ||F_a||^2 for each view of a block."""
    return size + torch.stack([view.double().square().sum() for view in block])


def _decomposed(plain: Tensor, block: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the SVD of view^T plain for each view of a block: (b, d, d), (b, d) and (b, d, d)."""
    u, singular, vh = torch.linalg.svd(_products(plain, block))
    return u, singular, vh


def _decomposed_thin(basis: Tensor, triangle: Tensor, block: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same for fewer samples than dimensions, by an SVD in the spans of the samples, n x n.

    Args:
        basis: (d, d) orthogonal, and
        triangle: (d, n), whose product is plain^T; its rows after the first n are zero.
        block: (b, n, d).
    """
    n = block.shape[1]
    bases, triangles = torch.linalg.qr(block.double().mT, mode="complete")
    inner, singular, outer = torch.linalg.svd(triangles[:, :n] @ triangle[:n].mT)
    u = torch.cat([bases[..., :n] @ inner, bases[..., n:]], dim=-1)
    vh = torch.cat([outer @ basis[:, :n].mT, basis[:, n:].mT.expand(len(block), -1, -1)], dim=-2)
    return u, functional.pad(singular, (0, len(basis) - n)), vh


def _errors(plain: Tensor, block: Tensor, rotations: Tensor, squared: Tensor, squares: Tensor) -> list[Tensor]:
    """Return |view - plain R^T| of each view, by the closed form where none of its digits that count cancel."""
    closed = (squared > CANCELLING * squares).tolist()
    # One augmentation at a time in double precision: memory holds one such copy of the test set.
    return [
        one.sqrt() if exact else torch.linalg.matrix_norm(view.double() - plain @ rotation.mT)
        for view, rotation, one, exact in zip(block, rotations, squared, closed, strict=True)
    ]
