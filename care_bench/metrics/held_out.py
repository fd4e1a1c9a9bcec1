"""Held-out maps: how well a map of one half of the samples says how an augmentation moves the others.

A map that is tested where it was fitted flatters every encoder: with few samples an orthogonal map fits noise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from care_bench.metrics.checks import embedded_views

LEAST_MOVEMENT = 1e-5
"""Least root mean square movement, relative to the embeddings' norm: less is rounding of float32."""
LEAST_SINGULAR = 1e-6
"""Least singular value of the fitted embeddings, relative to the largest, along which the linear map is fitted."""


@dataclass(frozen=True)
class HeldOut:
    """Root mean square errors on the samples that no map has seen; every field has shape (A,), float64.

    Attributes:
        orthogonal: |f(a(x)) - R f(x)| of the best orthogonal map of the fitted half.
        linear: the same of the best linear map of the fitted half.
        identity: |f(a(x)) - f(x)|, the error of no map at all.
        moved: bool, whether the draw moves the held-out samples; without, ratios to ``identity`` are undefined.
    """

    orthogonal: Tensor
    linear: Tensor
    identity: Tensor
    moved: Tensor


@dataclass(frozen=True)
class OrthogonalMap:
    """The best map in O(d) of the fitted samples; of several, the one that moves the undecided directions least.

    Fewer samples than dimensions decide where the directions in their span go. The complement of that span has to go to
    the complement of its image: of all orthogonal maps between the two, the one nearest to the identity is taken (there
    are several only where a direction of the one is at a right angle to all of the other). Directions that neither span
    holds stay as they are.

    Attributes:
        source: (d, m) orthonormal directions, and
        target: (d, m), where they go; both span the same m dimensions, in which alone the map moves anything.
    """

    source: Tensor
    target: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """Map the rows of z, (n, d)."""
        coordinates = z @ self.source
        return z + coordinates @ (self.target - self.source).mT

    def angles(self, z: Tensor) -> Tensor:
        """Return the angles in degrees by which the rows of z, not zero, are turned, (n,); accurate near 0 and 180."""
        z = functional.normalize(z, dim=1)
        turned = functional.normalize(self(z), dim=1)
        apart = torch.linalg.vector_norm(turned - z, dim=1), torch.linalg.vector_norm(turned + z, dim=1)
        return torch.rad2deg(2 * torch.atan2(*apart))


@torch.no_grad()
def held_out_errors(z: Tensor, za: Tensor, fitted: Tensor, turned: Iterable[Tensor] | None = None) -> HeldOut:
    """Fit an orthogonal and a linear map to some samples and measure both on the others, for each augmentation.

    The linear map is that of least squares, of least norm where the fitted samples do not decide it (singular values
    below 1e-6 of the largest count as zero).

    Args:
        z: (n, d) embeddings of the plain samples.
        za: (A, n, d), or (n, d) for one augmentation: embeddings of the same samples in the same order.
        fitted: (n,) bool, the samples to fit to; the others are measured.
        turned: the held-out samples, in float64, under each map that :func:`orthogonal_maps` returns, where they are
            known already.

    Raises:
        ValueError: shapes do not match, a value is not finite, or one of the two parts is empty.
    """
    z, views = embedded_views(z, za)
    rows, others = _parts(fitted, z)
    source, other = z[rows].double(), z[others].double()
    if turned is None:
        turned = (turn(other) for turn in orthogonal_maps(z, views, fitted))
    u, singular, vh = torch.linalg.svd(source, full_matrices=False)
    inverse = torch.where(singular > LEAST_SINGULAR * singular[0], singular.reciprocal(), 0.0)
    # The held-out samples as combinations of the fitted ones, or of directions where these are fewer.
    coordinates = (other @ vh.mT) * inverse
    predictor = coordinates @ u.mT if len(source) <= source.shape[1] else None
    found = []
    for view, moved in zip(views, turned, strict=True):
        target = view[others].double()
        image = view[rows].double()
        linear = coordinates @ (u.mT @ image) if predictor is None else predictor @ image
        found.append(torch.stack([_rms(target - moved), _rms(target - linear), _rms(target - other)]))
    orthogonal, linear, identity = torch.stack(found).unbind(dim=1)
    return HeldOut(orthogonal, linear, identity, identity > LEAST_MOVEMENT * _rms(other))


@torch.no_grad()
def orthogonal_maps(z: Tensor, za: Tensor, fitted: Tensor) -> list[OrthogonalMap]:
    """Return the best map in O(d) of the fitted samples for each augmentation, in float64.

    Args:
        z: as in :func:`held_out_errors`, which says what is raised as well.
        za: as there.
        fitted: as there.
    """
    z, views = embedded_views(z, za)
    rows, _ = _parts(fitted, z)
    source = z[rows].double()
    decomposed = [_decomposed(source, view[rows].double()) for view in views]
    # Directions without a sample on both sides are decided by no sample. The ranks of all draws are read at once.
    least = max(source.shape) * torch.finfo(torch.float64).eps
    ranks = torch.stack([(values > least * values[0]).sum() for _, values, _ in decomposed]).tolist()
    return [
        _completed(right[:, :rank], left[:, :rank]) for (left, _, right), rank in zip(decomposed, ranks, strict=True)
    ]


def _decomposed(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return left singular vectors (d, k), singular values and right singular vectors (d, k) of target^T source."""
    if source.shape[0] >= source.shape[1]:
        u, singular, vh = torch.linalg.svd(target.mT @ source)
        return u, singular, vh.mT
    # In the spans of the samples, which are smaller.
    ours, theirs = torch.linalg.qr(source.mT), torch.linalg.qr(target.mT)
    u, singular, vh = torch.linalg.svd(theirs.R @ ours.R.mT)
    return theirs.Q @ u, singular, ours.Q @ vh.mT


def _completed(source: Tensor, target: Tensor) -> OrthogonalMap:
    """Complete source -> target, both (d, k) and orthonormal, to a map in O(d), by the smallest movement."""
    d, k = source.shape
    if k == d:
        return OrthogonalMap(source, target)
    # All that moves lies in the span of both. Where they overlap, the basis has further directions: they stay.
    basis, inside = torch.linalg.qr(torch.cat([source, target], dim=1))
    ours, theirs = (torch.linalg.qr(part, mode="complete").Q[:, k:] for part in (inside[:, :k], inside[:, k:]))
    u, _, vh = torch.linalg.svd(theirs.mT @ ours)  # the orthogonal map between the complements nearest to the identity
    return OrthogonalMap(
        torch.cat([source, basis @ ours], dim=1), torch.cat([target, basis @ (theirs @ (u @ vh))], dim=1)
    )


def _parts(fitted: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return the places of the fitted samples and of the others: found once, where a mask is searched at each use."""
    if fitted.shape != z.shape[:1] or fitted.dtype != torch.bool:
        raise ValueError(f"fitted has shape {tuple(fitted.shape)} and dtype {fitted.dtype}; expected ({len(z)},) bool")
    rows, others = (part.nonzero()[:, 0] for part in (fitted, ~fitted))
    if len(rows) in (0, len(z)):
        raise ValueError(f"{len(rows)} of {len(z)} samples are fitted; expected some, and some held out")
    return rows.to(z.device), others.to(z.device)


def _rms(rows: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.matrix_norm(rows) / len(rows) ** 0.5
    return norm
