"""Preconditions of the metrics."""

from __future__ import annotations

import torch
from torch import Tensor


def embedded(z: Tensor, name: str, at_least: int = 1) -> Tensor:
    """Check one matrix of embeddings or features and return it in at least float32.

    Args:
        z: (n, d), one sample per row.
        name: of the argument, for messages.
        at_least: the smallest n the metric is defined for.

    Raises:
        ValueError: z is not 2-D, not floating point, has too few rows, or holds a value that is not finite.
    """
    if z.ndim != 2 or z.shape[0] < at_least or z.shape[1] < 1:
        raise ValueError(f"{name} has shape {tuple(z.shape)}; expected (n, d) with n >= {at_least}")
    _finite(z, name)
    return z.to(torch.promote_types(z.dtype, torch.float32))


def embedded_views(z: Tensor, za: Tensor, at_least: int = 1) -> tuple[Tensor, Tensor]:
    """Check embeddings and their augmented views; return (n, d) and (A, n, d), the leading dimensions flattened.

    Args:
        z: (n, d) embeddings of the plain samples.
        za: (..., n, d) embeddings of the same samples, each leading index under one augmentation.
        at_least: the smallest n the metric is defined for.

    Raises:
        ValueError: as :func:`embedded`, or the last two dimensions of za are not z's, or za has no view.
    """
    z = embedded(z, "z", at_least)
    if za.shape[-2:] != z.shape or za.numel() == 0:
        raise ValueError(f"za has shape {tuple(za.shape)}; expected (..., {z.shape[0]}, {z.shape[1]}), as z")
    _finite(za, "za")
    return z, za.to(torch.promote_types(za.dtype, torch.float32)).reshape(-1, *z.shape)


def directions(rows: Tensor, name: str) -> Tensor:
    """Return rows (..., d) on the unit sphere.

    Raises:
        ValueError: one is zero, which has no direction, or longer than its type can hold.
    """
    # Squares overflow and underflow long before norms do.
    norms = torch.linalg.vector_norm(rows, dim=-1, keepdim=True, dtype=torch.float64).to(rows.dtype)
    zero, endless = torch.stack([(norms == 0).sum(), norms.isinf().sum()]).tolist()
    if zero:
        raise ValueError(f"{name}: {zero} of {norms.numel()} are zero, which has no direction; expected none")
    if endless:
        raise ValueError(f"{name}: {endless} of {norms.numel()} are longer than {rows.dtype} can hold; expected none")
    unit: Tensor = rows / norms
    return unit


def labelled(features: Tensor, labels: Tensor, num_classes: int, name: str) -> Tensor:
    """Check features with one class label a row and return the features in at least float32.

    Raises:
        ValueError: as :func:`embedded`, or the labels are not (n,) whole numbers in [0, num_classes).
    """
    features = embedded(features, f"{name} features")
    if labels.shape != features.shape[:1]:
        raise ValueError(f"{name} labels have shape {tuple(labels.shape)}; expected ({len(features)},), one a row")
    if labels.dtype != torch.int64:
        raise ValueError(f"{name} labels have dtype {labels.dtype}; expected torch.int64")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise ValueError(f"{name} labels run from {low} to {high}; expected them in [0, {num_classes})")
    return features


def _finite(z: Tensor, name: str) -> None:
    if not z.is_floating_point():
        raise ValueError(f"{name} has dtype {z.dtype}; expected a floating point type")
    if torch.isfinite(z.sum()):  # so are all values; one pass, one wait for the device, no memory
        return
    # They may only overflow together. A view at a time: isfinite takes more memory than its input.
    views = z.unbind() if z.ndim > 2 else (z,)
    wrong = sum(view.numel() - int(view.isfinite().sum()) for view in views)
    if wrong:
        raise ValueError(f"{name} holds {wrong} of {z.numel()} values that are not finite; expected none")
