"""Cosines between an embedding and its augmented view, and between two augmented views of one sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from care_bench.metrics.checks import embedded_views

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles that protocol positive-cosine-v1 reports of a distribution."""
ENTRIES_AT_ONCE = 2**18
"""Entries of the embeddings held in float64 at a time: so many stay in a processor's cache."""


@dataclass(frozen=True)
class CosineStatistics:
    """Cosines of f(x) and f(a(x)) over the test set, for each augmentation.

    Attributes:
        mean: (A,).
        variance: (A,), unbiased (ddof 1); zero for an encoder that turns every input by one angle, as a rotation does
            in d = 2 and not in d >= 3.
        fraction_opposed: (A,), share of the samples whose cosine lies in [-1, -0.5].
    """

    mean: Tensor
    variance: Tensor
    fraction_opposed: Tensor


@dataclass(frozen=True)
class PositiveCosines:
    """Cosines of f(a(x)) and f(a'(x)) over the test set and pairs of augmentations (a, a').

    Attributes:
        mean: (A // 2,), for each pair.
        quantiles: one for each of ``QUANTILES``, over all samples and pairs together, interpolated linearly.
    """

    mean: Tensor
    quantiles: tuple[float, ...]


@torch.no_grad()
def cosine_statistics(z: Tensor, za: Tensor) -> CosineStatistics:
    """Return mean and variance of cos(f(x), f(a(x))) for each augmentation, in float64.

    Args:
        z: (n, d) embeddings of the plain samples, n >= 2; their norms do not matter but must not be zero.
        za: (A, n, d), or (n, d) for one augmentation: embeddings of the same samples in the same order.

    Returns:
        Tensors on the device of z; A is 1 for a single augmentation.

    Raises:
        ValueError: shapes do not match, n < 2, a value is not finite, or an embedding is zero and has no angle.

    Source: Fig. 6 of CARE (arXiv 2306.13924), there with 20 augmentations and d = 2; protocol cosine-v1.
    """
    z, views = embedded_views(z, za, at_least=2)
    cosines = _cosines(z.expand_as(views), views, _norms(z, "z").expand(views.shape[:2]), _norms(views, "za"))
    return CosineStatistics(
        mean=cosines.mean(dim=1),
        variance=cosines.var(dim=1),
        fraction_opposed=(cosines <= -0.5).double().mean(dim=1),
    )


@torch.no_grad()
def positive_cosines(za: Tensor) -> PositiveCosines:
    """Describe the distribution of cos(f(a(x)), f(a'(x))), whose mean InfoNCE increases, in float64.

    Pairs are views 0 and 1, 2 and 3, and so on; the last of an odd number is left out. Only one pair at a time is
    held in float64.

    Args:
        za: (A, n, d) embeddings of the same samples in the same order under A >= 2 augmentations; their norms do not
            matter but must not be zero.

    Raises:
        ValueError: another shape, a value that is not finite, or an embedding that is zero and has no angle.

    Source: Fig. 11 to 16 of CARE (arXiv 2306.13924), there as histograms; protocol positive-cosine-v1.
    """
    if za.ndim != 3 or len(za) < 2:
        raise ValueError(f"za has shape {tuple(za.shape)}; expected (A, n, d) with A >= 2")
    _, views = embedded_views(za[0], za)
    number = len(views) // 2 * 2
    norms = _norms(views, "za")
    cosines = _cosines(views[0:number:2], views[1:number:2], norms[0:number:2], norms[1:number:2])
    # numpy, because torch.quantile takes at most 16 million values.
    quantiles = np.quantile(cosines.cpu().numpy(), QUANTILES)
    return PositiveCosines(mean=cosines.mean(dim=1), quantiles=tuple(quantiles.tolist()))


def _cosines(ones: Tensor, others: Tensor, norms: Tensor, other_norms: Tensor) -> Tensor:
    """Return the cosines (A, n) of two sets of embeddings (A, n, d) with their norms (A, n), in float64."""
    rows = max(1, ENTRIES_AT_ONCE // ones.shape[-1])
    found = []
    for copies in zip(ones, others, norms, other_norms, strict=True):
        blocks = zip(*(torch.split(copy, rows) for copy in copies), strict=True)
        found.append(torch.cat([_products(*block) for block in blocks]))
    return torch.stack(found).clamp(-1, 1)


def _products(z: Tensor, za: Tensor, norms: Tensor, other_norms: Tensor) -> Tensor:
    return (z.double() / norms[:, None] * (za.double() / other_norms[:, None])).sum(dim=1)


def _norms(z: Tensor, name: str) -> Tensor:
    """Return the norms of embeddings (..., n, d), in float64."""
    rows = max(1, ENTRIES_AT_ONCE // z.shape[-1])
    parts = [torch.linalg.vector_norm(part.double(), dim=1) for part in torch.split(z.reshape(-1, z.shape[-1]), rows)]
    norms = torch.cat(parts).view(z.shape[:-1])
    zero = int((norms == 0).sum())
    if zero:
        raise ValueError(f"{name}: {zero} of {norms.numel()} are zero, which has no direction; expected none")
    return norms
