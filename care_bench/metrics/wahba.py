"""Wahba's problem: the rotation that best carries the embeddings of a test set to those of its augmented views."""

from __future__ import annotations

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


@torch.no_grad()
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
    leading = za.shape[:-2]
    z, views = embedded_views(z, za)
    n, d = z.shape
    dtype = torch.promote_types(z.dtype, views.dtype)
    plain = z.double()
    rotations, errors = [], []
    for block in torch.split(views, max(1, ENTRIES_AT_ONCE // d**2)):
        # One augmentation at a time in double precision: memory holds one such copy of the test set.
        u, _, vh = torch.linalg.svd(torch.stack([view.double().mT @ plain for view in block]))
        if group == "SO":
            u[..., -1] *= torch.linalg.det(u @ vh).sign()[:, None]
        rotation = u @ vh
        fits = zip(block, rotation, strict=True)
        errors += [torch.linalg.matrix_norm(view.double() - plain @ turn.mT) for view, turn in fits]
        rotations.append(rotation.to(dtype))
    error = torch.stack(errors)
    return Wahba(
        rotation=torch.cat(rotations).reshape(*leading, d, d),
        error=error.to(dtype).reshape(leading),
        error_per_sample=(error / n**0.5).to(dtype).reshape(leading),
    )
