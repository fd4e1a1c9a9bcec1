"""Wahba's problem: the rotation that best carries the embeddings of a test set to those of its augmented views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from care_bench.losses.checks import check_choice
from care_bench.metrics.checks import embedded_views
from care_bench.names import Group

ENTRIES_AT_ONCE = 2**22
"""Entries of the d x d matrices decomposed at a time (32 MiB in float64): one matrix for 2048 features."""


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
    text prints n - 1 ones; the matrix is d x d, so there are d - 1.) The error is computed from the residual, not by
    the closed form ||F||^2 + ||F_a||^2 - 2 tr(...), whose terms cancel when the fit is good. Where the embeddings span
    less than R^d, several rotations have the same error, and one of them is returned.

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
def _solve(z: Tensor, za: Tensor, groups: Sequence[Group]) -> dict[Group, Wahba]:
    leading = za.shape[:-2]
    z, views = embedded_views(z, za)
    n, d = z.shape
    dtype = torch.promote_types(z.dtype, views.dtype)
    plain = z.double()
    rotations: dict[Group, list[Tensor]] = {group: [] for group in groups}
    errors: dict[Group, list[Tensor]] = {group: [] for group in groups}
    for block in torch.split(views, max(1, ENTRIES_AT_ONCE // d**2)):
        # One augmentation at a time in double precision: memory holds one such copy of the test set.
        u, _, vh = torch.linalg.svd(torch.stack([view.double().mT @ plain for view in block]))
        for group in groups:
            rotation = _special(u, vh) if group == "SO" else u @ vh
            fits = zip(block, rotation, strict=True)
            errors[group] += [torch.linalg.matrix_norm(view.double() - plain @ turn.mT) for view, turn in fits]
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


def _special(u: Tensor, vh: Tensor) -> Tensor:
    """Return u @ vh with the direction of the least singular value reversed where its determinant is -1."""
    signs = torch.linalg.det(u @ vh).sign()
    special = u.clone()
    special[..., -1] *= signs[:, None]
    return special @ vh
