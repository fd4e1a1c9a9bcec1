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


def wahba_by_group(z: Tensor, za: Tensor, maps: int | None = None) -> dict[Group, Wahba]:
    """Solve Wahba's problem over rotations and over all orthogonal maps, from one decomposition.

    Zero loss promises an orthogonal map and no rotation: where an augmentation acts as a reflection of the embedding,
    the error over O(d) is zero, and the one over SO(d) twice the smallest singular value of F.

    Args:
        z: as in :func:`wahba`, which says what is raised as well.
        za: (A, n, d) or as in :func:`wahba`.
        maps: return the maps of the first so many augmentations alone; the errors of the others come from singular
            values, which are cheaper, and are the same but for rounding. None: the maps of all.

    Returns:
        The solutions over "SO" and "O".
    """
    groups: tuple[Group, ...] = get_args(Group)
    if maps is None or maps >= len(za):
        return _solve(z, za, groups)
    first = _solve(z, za[:maps], groups)
    others = _errors(z, za[maps:])
    return {group: _with_errors(first[group], others[group], len(z)) for group in groups}


def _with_errors(found: Wahba, error: Tensor, n: int) -> Wahba:
    dtype = found.error.dtype
    return Wahba(
        rotation=found.rotation,
        error=torch.cat([found.error, error.to(dtype)]),
        error_per_sample=torch.cat([found.error_per_sample, (error / n**0.5).to(dtype)]),
    )


@torch.no_grad()
def _errors(z: Tensor, za: Tensor) -> dict[Group, Tensor]:
    """Return the errors (A,) of the best maps in float64, from singular values where the closed form is exact."""
    z, views = embedded_views(z, za)
    plain = z.double()
    rows: dict[Group, list[Tensor]] = {"SO": [], "O": []}
    for view in views.unbind():
        turned = view.double()
        covariance = turned.mT @ plain
        singular = torch.linalg.svdvals(covariance)
        sign = torch.linalg.slogdet(covariance).sign
        squares = plain.square().sum() + turned.square().sum()
        lasts: dict[Group, Tensor] = {"SO": sign, "O": torch.ones_like(sign)}
        for group, last in lasts.items():
            squared = squares - 2 * (singular[:-1].sum() + last * singular[-1])
            cancels = squared <= CANCELLING * squares
            rows[group].append(wahba(plain, turned, group).error if cancels else squared.sqrt())
    return {group: torch.stack(found) for group, found in rows.items()}


@torch.no_grad()
def _solve(z: Tensor, za: Tensor, groups: Sequence[Group]) -> dict[Group, Wahba]:
    leading = za.shape[:-2]
    z, views = embedded_views(z, za)
    n, d = z.shape
    dtype = torch.promote_types(z.dtype, views.dtype)
    plain = z.double()
    thin = d >= THIN_FROM and 2 * n <= d
    frame = torch.linalg.qr(plain.mT, mode="complete") if thin else None
    rotations: dict[Group, list[Tensor]] = {group: [] for group in groups}
    errors: dict[Group, list[Tensor]] = {group: [] for group in groups}
    for block in torch.split(views, max(1, ENTRIES_AT_ONCE // d**2)):
        if frame is None:
            u, singular, vh = _decomposed(plain, block)
        else:
            u, singular, vh = _decomposed_thin(frame.Q, frame.R, block)
        sign = torch.linalg.det(u @ vh).sign()
        for group in groups:
            # Over SO(d), the direction of the least singular value is reversed where the determinant is -1.
            last = sign if group == "SO" else torch.ones_like(sign)
            rotation = torch.cat([u[..., :-1], u[..., -1:] * last[:, None, None]], dim=-1) @ vh
            trace = singular[..., :-1].sum(dim=-1) + last * singular[..., -1]
            # One augmentation at a time in double precision: memory holds one such copy of the test set.
            fits = zip(block, rotation, trace, strict=True)
            errors[group] += [_error(plain, view.double(), turn, total) for view, turn, total in fits]
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


def _decomposed(plain: Tensor, block: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the SVD of view^T plain for each view of a block: (b, d, d), (b, d) and (b, d, d)."""
    u, singular, vh = torch.linalg.svd(torch.stack([view.double().mT @ plain for view in block]))
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


def _error(plain: Tensor, view: Tensor, rotation: Tensor, trace: Tensor) -> Tensor:
    """Return |view - plain R^T|, by the closed form where none of its digits that count cancel."""
    squares = plain.square().sum() + view.square().sum()
    squared = squares - 2 * trace
    return squared.sqrt() if squared > CANCELLING * squares else torch.linalg.matrix_norm(view - plain @ rotation.mT)
