"""Relative rotational equivariance (gamma_f): how far an augmentation changes distances, relative to how far it moves.

Per augmentation a and pair (x, x'), with D2 the squared Euclidean distance:
(D2(f(a(x')), f(a(x))) - D2(f(x'), f(x)))^2 / (D2(f(a(x')), f(x')) + D2(f(a(x)), f(x)))^2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from care_bench.metrics.checks import embedded_views

RATIOS_AT_ONCE = 2**21
"""Entries of the pair matrix held at a time."""
RATIOS_KEPT = 2**24
"""Most ratios, over all augmentations, that the median and the trimmed mean use (128 MiB)."""
GRAM_FROM, GRAM_UP_TO = 1024, 8192
"""Samples from which on one product for each augmentation, and one of the plain samples, take the place of two; and up
to which the latter, half of n^2 numbers in float64, is held: 256 MiB."""
FAR = 1e-4
"""Least squared movement of every sample, relative to the mean squared norm, that leaves that product its digits."""
ROUNDING = torch.finfo(torch.float32).eps
"""Of embeddings in any type: encoders compute in float32 at best, whatever their embeddings are copied to."""
ROUNDINGS = 100
"""Root mean square movement, in roundings of embeddings of their size, below which it may be rounding itself."""
TRIM = 0.1
"""Share left out at each end of the trimmed mean."""


@dataclass(frozen=True)
class RelativeEquivariance:
    """Gamma_f, a mean of ratios that diverge as the encoder becomes invariant, with statistics to judge it by.

    Attributes:
        mean: gamma_f over all pairs and augmentations; lower is more equivariant.
        median: of the ratios.
        trimmed_mean: of the ratios between the 10 % lowest and the 10 % highest.
        invariance: mean ||f(a(x)) - f(x)|| over samples and augmentations; near zero the ratios mean little.
        moving: augmentations that move the embeddings by more than rounding, whose ratios these are.
    """

    mean: float
    median: float
    trimmed_mean: float
    invariance: float
    moving: int


def relative_equivariance(z: Tensor, za: Tensor) -> float:
    """Return gamma_f: the mean ratio over all augmentations and all pairs i < j.

    A pair whose two samples did not move at all has no ratio and is left out of the mean. So are the pairs of an
    augmentation that moves the embeddings by no more than a hundred roundings in float32 of their size (1e-5 of it),
    whatever type they have: a ratio of rounding errors has no bound. Still samples of an augmentation that moves
    others are not left out.

    Args:
        z: (n, d) embeddings of the plain samples, n >= 2.
        za: (..., n, d) embeddings of the same samples in the same order, one augmentation per leading index.

    Returns:
        The mean, at least zero; nan if no pair has a ratio (an invariant encoder).

    Raises:
        ValueError: shapes do not match, n < 2, or a value is not finite.

    Source: Fig. 8 and its text in CARE (arXiv 2306.13924); protocol relative-equivariance-v1.
    """
    return relative_equivariance_summary(z, za).mean


def relative_equivariance_summary(z: Tensor, za: Tensor) -> RelativeEquivariance:
    """Return gamma_f, the median and the trimmed mean of the ratios, and the invariance.

    Mean and invariance use all pairs. Median and trimmed mean use at most 2^24 ratios over all augmentations: every
    s-th in the order (augmentation, i, j), with the smallest s that satisfies this.

    Args:
        z: (n, d) embeddings of the plain samples, n >= 2.
        za: (..., n, d) embeddings of the same samples in the same order, one augmentation per leading index.

    Returns:
        Mean, median and trimmed mean are nan if no pair has a ratio, as in :func:`relative_equivariance`.

    Raises:
        ValueError: as :func:`relative_equivariance`.
    """
    z, views = embedded_views(z, za, at_least=2)
    invariance = _invariance(z, views)
    moving = [view for view, moves in zip(views, _moves(z, views).tolist(), strict=True) if moves]
    if not moving:
        return RelativeEquivariance(math.nan, math.nan, math.nan, invariance, 0)
    n = len(z)
    stride = math.ceil(len(moving) * (n * (n - 1) // 2) / RATIOS_KEPT)
    totals, without, kept = [], [], []
    seen = 0
    for ratios in _ratios(z, moving):
        totals.append(ratios.nansum())
        without.append(ratios.isnan().sum())
        place, pairs = _every(stride, -seen % stride, ratios)
        kept.append(ratios.flatten()[place])
        seen += pairs
    sample = torch.cat(kept)
    sample = sample[~sample.isnan()]
    total, count = float(torch.stack(totals).sum()), seen - int(torch.stack(without).sum())
    return RelativeEquivariance(
        mean=total / count if count else math.nan,
        median=_middle(sample, (len(sample) - 1) // 2),
        trimmed_mean=_middle(sample, int(TRIM * len(sample))),
        invariance=invariance,
        moving=len(moving),
    )


@torch.no_grad()
def _ratios(z: Tensor, views: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield the ratios in float64, for each augmentation a block of rows i at a time, its columns from the first i on.

    What is not above the diagonal is zero, so that each pair i < j is there once.

    With m = f(a(x)) - f(x) and s = f(a(x)) + f(x), the root of the numerator is (m' - m).(s' - s), which does not
    cancel as the difference of two squared distances does. A pair that did not move gives 0 / 0, which is nan. Of many
    samples that all move far, that difference keeps its digits, and the plain samples' part of it is computed once.
    """
    n = len(z)
    plain = z.double()
    rows = max(1, RATIOS_AT_ONCE // n)
    places = [slice(start, min(start + rows, n - 1)) for start in range(0, n - 1, rows)]
    far = _far(plain, views) if GRAM_FROM <= n <= GRAM_UP_TO else [False] * len(views)
    grams = [plain[here] @ plain[here.start :].mT for here in places] if any(far) else []
    for view, known in zip(views, far, strict=True):
        augmented = view.double()
        moved, sums = augmented - plain, augmented + plain
        diagonal = (moved * sums).sum(dim=1)
        distance = moved.square().sum(dim=1)
        for i, here in enumerate(places):
            start = here.start
            if known:  # m.s' + s.m' = 2 (f(a(x)).f(a(x')) - f(x).f(x'))
                cross = torch.addmm(grams[i], augmented[here], augmented[start:].mT, beta=-2, alpha=2)
            else:
                cross = moved[here] @ sums[start:].mT + sums[here] @ moved[start:].mT
            change = (diagonal[here, None] + diagonal[None, start:]).sub_(cross)
            movement = distance[here, None] + distance[None, start:]
            yield change.div_(movement).square_().triu_(1)


def _moves(z: Tensor, views: Tensor) -> Tensor:
    """Say of each augmentation whether it moves the embeddings by more than rounding, (views,) bool."""
    moved = torch.stack([(view.double() - z.double()).square().mean() for view in views])
    return moved > (ROUNDINGS * ROUNDING) ** 2 * z.double().square().mean()


def _far(plain: Tensor, views: Sequence[Tensor]) -> list[bool]:
    """Say of each augmentation whether it moves every sample so far that products may be subtracted."""
    least = torch.stack([(view.double() - plain).square().sum(dim=1).amin() for view in views])
    far: list[bool] = (least >= FAR * plain.square().sum(dim=1).mean()).tolist()
    return far


def _every(stride: int, first: int, block: Tensor) -> tuple[Tensor, int]:
    """Return the flat places, in a block, of the first and then every so many of its pairs, and the number of pairs."""
    rows, columns = block.shape
    row = torch.arange(rows, device=block.device)
    before = row * (columns - 1) - row * (row - 1) // 2  # pairs in earlier rows
    pairs = rows * (columns - 1) - rows * (rows - 1) // 2
    chosen = torch.arange(min(first, pairs), pairs, stride, device=block.device)
    row = torch.searchsorted(before, chosen, right=True) - 1
    return row * columns + row + 1 + chosen - before[row], pairs


def _invariance(z: Tensor, views: Tensor) -> float:
    means = [torch.linalg.vector_norm(view.double() - z.double(), dim=1).mean() for view in views]
    return float(torch.stack(means).mean())


def _middle(values: Tensor, cut: int) -> float:
    """Return the mean without the ``cut`` lowest and the ``cut`` highest values; nan if none is left."""
    end = len(values) - cut
    if cut >= end:
        return math.nan
    # Parted by numpy in a tenth of the time of a sort.
    return float(np.partition(values.cpu().numpy(), (cut, end - 1))[cut:end].mean())
