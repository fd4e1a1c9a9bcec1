"""Composition: is the map of a'∘a, fitted on its own, the product of the maps of a' and a?

Wahba's problem is solved three times: for R_a from f(x) to f(a(x)), for R_a' from f(a(x)) to f(a'(a(x))), and for R_a'a
from f(x) to f(a'(a(x))). Cor. 1 of CARE says that R_a'a = R_a' R_a where the equivariance loss is zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from care_bench.metrics.checks import embedded_views
from care_bench.metrics.wahba import wahba
from care_bench.names import Group


@dataclass(frozen=True)
class Composition:
    """How far rho(a'∘a) is from rho(a') rho(a); everything carries the leading dimensions of the views.

    Attributes:
        defect: (..., d, d), R_a'a - R_a' R_a.
        per_sample: (...), root mean square over the samples of ||(R_a'a - R_a' R_a) f(x)||; unlike the two norms it
            does not depend on directions in which no embedding lies.
    """

    defect: Tensor
    per_sample: Tensor

    @cached_property
    def frobenius(self) -> Tensor:
        """(...), the Frobenius norm of the defect, from 0 to 2 sqrt(d)."""
        norm: Tensor = torch.linalg.matrix_norm(self.defect)
        return norm

    @cached_property
    def spectral(self) -> Tensor:
        """(...), the largest singular value of the defect, from 0 to 2."""
        norm: Tensor = torch.linalg.matrix_norm(self.defect, ord=2)
        return norm


@torch.no_grad()
def composition_error(
    z: Tensor, za: Tensor, zaa: Tensor, group: Group = "O", known: Tensor | None = None
) -> Composition:
    """Compare the orthogonal map of a composed augmentation with the product of the maps of its parts.

    R_a' is fitted on the embeddings of a(x), where a' acts in the composition. Fitted on those of x it can be a
    different map when no a(x) looks like an x; the theory promises nothing there.

    Where the embeddings do not span R^d the three maps are not unique. Then only ``per_sample`` is meaningful, and that
    only if no view loses two or more directions that its source has: where these go is decided by no sample.

    Args:
        z: (n, d) embeddings of the plain samples.
        za: (..., n, d) embeddings of a(x), same samples in the same order, one a per leading index.
        zaa: (..., n, d) embeddings of a'(a(x)), of za's shape: one pair (a, a') per leading index.
        group: "O" as in the corollary, which cannot promise rotations; "SO" to compare the rotations of Wahba's error.
        known: (..., d, d), the maps R_a where Wahba's problem was solved for them already.

    Returns:
        Tensors in the widest dtype of the inputs, at least float32, on their device.

    Raises:
        ValueError: shapes do not match, a value is not finite, or the group is unknown.

    Source: Cor. 1 and 2 of CARE (arXiv 2306.13924).

    Example:
        >>> import torch
        >>> z, quarter_turn = torch.eye(2), torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> za = z @ quarter_turn.T
        >>> f"{composition_error(z, za, za @ quarter_turn.T).frobenius.item():.3f}"
        '0.000'
    """
    if zaa.shape != za.shape:
        raise ValueError(f"zaa has shape {tuple(zaa.shape)}; expected {tuple(za.shape)}, as za")
    leading = za.shape[:-2]
    z, first = embedded_views(z, za)
    _, second = embedded_views(z, zaa)
    n, d = z.shape
    whole = wahba(z, second, group).rotation.double()
    part_a = (wahba(z, first, group).rotation if known is None else known.reshape(-1, d, d)).double()
    part_b = torch.stack([wahba(a, b, group).rotation for a, b in zip(first, second, strict=True)]).double()
    defect = whole - part_b @ part_a
    plain = z.double()
    per_sample = torch.stack([torch.linalg.matrix_norm(plain @ one.mT) for one in defect]) / n**0.5
    dtype = torch.promote_types(torch.promote_types(z.dtype, first.dtype), second.dtype)
    return Composition(
        defect=defect.to(dtype).reshape(*leading, d, d), per_sample=per_sample.to(dtype).reshape(leading)
    )
