"""A guaranteed bound on the error of the best orthogonal map, from inner products alone (Prop. 3 of CARE).

For embeddings A (n, d) and those of augmented views B (n, d), the equivariance loss says how far their Gram matrices
differ: G = ||A A^T - B B^T||, Frobenius norms throughout, which the paper calls epsilon^2.

As printed. If A has rank d and ||A^+|| sqrt(G) <= 1/sqrt(2), some orthogonal R has
||B - A R|| <= (1 + sqrt(2)) ||A^+|| G. The smallest singular value of A decides, and encoders have tiny ones.

With rank k. Let the columns of V (d, k) and W (d, k) be the leading right singular vectors of A and B, G_k the
difference of the Gram matrices of A V and B W, and s_k the k-th singular value of A. Lemma 5.4 of Tu et al. (2016)
gives an orthogonal Q (k, k) with ||B W - A V Q|| <= C G_k / s_k, C^2 = 1 / (2 (sqrt(2) - 1)), under no condition. Let
V', W' (d, d - k) complete V and W to orthonormal bases, and Q' be the best orthogonal map from A V' to B W'. Then
R = V Q W^T + V' Q' W'^T is orthogonal. The columns of W and W' are orthonormal, so the squared error of R is the sum of
those of Q and Q', and the latter is at most ||A V'||^2 + ||B W'||^2, since the inner product of A V' Q' and B W' is a
sum of singular values, none of them negative. So

    min over R of ||B - A R||^2 <= (C G_k / s_k)^2 + ||A V'||^2 + ||B W'||^2    for every k from 0 to d.

The bound is the smallest over k. With k = 0 it is the trivial ||A||^2 + ||B||^2, which is 2 n on the unit sphere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from care_bench.metrics.checks import embedded_views
from care_bench.metrics.gram import gram
from care_bench.metrics.wahba import wahba

PRINTED = 1 + math.sqrt(2)
"""Constant of Prop. 3."""
ALWAYS = math.sqrt(1 / (2 * (math.sqrt(2) - 1)))
"""Constant of the same bound under no condition: S. Tu et al., Low-rank Solutions of Linear Matrix Equations via
Procrustes Flow, ICML 2016, Lemma 5.4. It is attained."""
MOST = 1 / math.sqrt(2)
"""Largest ||A^+|| epsilon for which Prop. 3 says anything."""
CANCELLING = 1e-5
"""G over the norms of the Gram matrices below which it is not computed as a difference of their squares."""


@dataclass(frozen=True)
class Certificate:
    """What inner products guarantee, and what is measured; with ``za`` of shape (..., n, d) fields have shape (...).

    Errors and bounds are root mean squares over the n samples. Of unit vectors, ``error`` and ``bound`` are at most
    sqrt(2).

    Attributes:
        loss: mean over pairs of samples of (f(a(x)).f(a(x')) - f(x).f(x'))^2, the ideal equivariance loss.
        smallest_singular_value: of the plain embeddings, the same for all augmentations; 0 if n < d.
        condition: ||A^+|| epsilon; Prop. 3 applies up to 1/sqrt(2). Infinite where A has not rank d.
        printed_bound: (1 + sqrt(2)) ||A^+|| epsilon^2 / sqrt(n), guaranteed only where ``condition`` allows it.
        bound: the smallest of the bounds of rank k, which always hold.
        rank: the k of that bound.
        error: of the best map in O(d) of all samples.
    """

    loss: Tensor
    smallest_singular_value: Tensor
    condition: Tensor
    printed_bound: Tensor
    bound: Tensor
    rank: Tensor
    error: Tensor


@torch.no_grad()
def certificate(z: Tensor, za: Tensor, error: Tensor | None = None) -> Certificate:
    """Bound the error of the best orthogonal map from inner products, and measure it.

    Args:
        z: (n, d) embeddings of the plain samples, n >= 2.
        za: (..., n, d) embeddings of the same samples in the same order, one augmentation per leading index.
        error: (...), the error per sample over O(d), where Wahba's problem was solved already.

    Returns:
        Float64 tensors on the device of the inputs, computed in float64.

    Raises:
        ValueError: shapes do not match, n < 2, or a value is not finite.

    Source: Prop. 3 of CARE (arXiv 2306.13924), and the module's docstring; protocol certificate-v1.
    """
    leading = za.shape[:-2]
    z, views = embedded_views(z, za, at_least=2)
    plain = _Plain.of(z)
    differences = [_Difference.of(plain, view.double()) for view in views]
    cancel = torch.stack([one.gaps[-1] <= CANCELLING * one.size for one in differences]).tolist()
    for one, view, again in zip(differences, views, cancel, strict=True):
        if again:
            one.gaps[-1] = _small_gap(plain.rows, view.double())
    rows = [_bounds(plain, one) for one in differences]
    if error is None:
        error = wahba(z, views, group="O").error_per_sample
    loss, condition, printed, bound, rank = (torch.stack(column).reshape(leading) for column in zip(*rows, strict=True))
    return Certificate(
        loss=loss,
        smallest_singular_value=plain.smallest.expand(leading),
        condition=condition,
        printed_bound=printed,
        bound=bound,
        rank=rank,
        error=error.double().reshape(leading),
    )


@dataclass(frozen=True)
class _Plain:
    """The plain embeddings in float64: rows, d singular values, right singular vectors as columns, squared lengths."""

    rows: Tensor
    singular: Tensor
    directions: Tensor
    smallest: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, z: Tensor) -> _Plain:
        n, d = z.shape
        rows = z.double()
        # Neither value nor direction needs the n left vectors; there are always d directions.
        triangle = torch.linalg.qr(rows, mode="r").R if n > d else rows
        _, singular, directions = torch.linalg.svd(triangle, full_matrices=n < d)
        singular = functional.pad(singular, (0, d - len(singular)))
        # Rounding of the embeddings moves a singular value by at most eps/2 |A|, however many samples there are.
        zero = d**0.5 * torch.finfo(z.dtype).eps * singular[0]
        return cls(rows, singular, directions.mT, torch.where(singular[-1] > zero, singular[-1], 0.0), (rows**2).sum(1))


@dataclass(frozen=True)
class _Difference:
    """How the Gram matrices of the plain embeddings and of a view differ.

    Attributes:
        gaps: (d,), G_k for k from 1 to d.
        size: root of the sum of the squares that the last of them is a difference of.
        tails: (d,), the mass outside of the leading k directions.
        trivial: ||A||^2 + ||B||^2.
        own: sum over the samples of the squared difference of their squared lengths, which is about no pair.
    """

    gaps: Tensor
    size: Tensor
    tails: Tensor
    trivial: Tensor
    own: Tensor

    @classmethod
    def of(cls, plain: _Plain, view: Tensor) -> _Difference:
        squares, directions = torch.linalg.eigh(gram(view))
        squares, directions = squares.flip(0).clamp(min=0), directions.flip(1)
        cross = plain.directions.mT @ (plain.rows.mT @ view) @ directions
        # |X X^T - Y Y^T|^2 = |X^T X|^2 + |Y^T Y|^2 - 2 |X^T Y|^2, for the first k columns of A V and B W at every k.
        sizes = (plain.singular**4 + squares**2).cumsum(0)
        both = sizes - 2 * (cross**2).cumsum(0).cumsum(1).diagonal()
        lengths = (view**2).sum(1)
        return cls(
            both.clamp(min=0).sqrt(),
            sizes[-1].sqrt(),
            ((plain.singular**2).sum() - (plain.singular**2).cumsum(0)) + (squares.sum() - squares.cumsum(0)),
            plain.lengths.sum() + lengths.sum(),
            (plain.lengths - lengths).square().sum(),
        )


def _small_gap(rows: Tensor, view: Tensor) -> Tensor:
    """Return G = ||A A^T - B B^T|| without cancellation.

    With R the best orthogonal map, S = A R + B and M = A R - B, the matrix is (S M^T + M S^T) / 2, so that
    2 G^2 = tr(S^T S M^T M) + tr((M^T S)^2). Since (A R)^T B is symmetric for this R, so is M^T S: neither is negative.
    """
    turned = rows @ wahba(rows, view, group="O").rotation.mT
    total, apart = turned + view, turned - view
    mixed = apart.mT @ total
    return (((total.mT @ total) * (apart.mT @ apart)).sum() / 2 + (mixed * mixed.mT).sum() / 2).clamp(min=0).sqrt()


def _bounds(plain: _Plain, view: _Difference) -> tuple[Tensor, ...]:
    """Return loss, condition, printed bound, bound and rank of one augmentation."""
    n, gap = len(plain.rows), view.gaps[-1]
    of_rank = (ALWAYS * view.gaps / plain.singular) ** 2 + view.tails.clamp(min=0)
    of_rank = torch.cat([view.trivial[None], torch.where(plain.singular > 0, of_rank, math.inf)])
    rank = of_rank.argmin()
    loss = (gap**2 - view.own).clamp(min=0) / (n * (n - 1))
    condition = gap.sqrt() / plain.smallest
    printed = PRINTED * gap / plain.smallest / n**0.5
    return loss, condition, printed, (of_rank.amin() / n).sqrt(), rank
