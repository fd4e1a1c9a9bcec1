"""InfoNCE over the two views of a batch (NT-Xent), and its two halves: invariance and uniformity.

Source: Eq. for InfoNCE in CARE (arXiv 2306.13924), as NT-Xent over 2B views (Chen et al. 2020, arXiv 2002.05709).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from care_bench.losses.checks import autocast_off, paired_rows, positive_temperature


class InfoNCE(nn.Module):
    """NT-Xent: the positive of each of the 2B views is its partner, and the other 2B - 2 views are its negatives.

    Computed in float32 or better for any input dtype, also under autocast.

    Args:
        temperature: divides the inner products, cosine similarities on unit rows; positive.

    Raises:
        ValueError: the temperature is not positive and finite.

    Example:
        >>> import torch
        >>> z = torch.eye(2)
        >>> round(InfoNCE(temperature=1.0)(z, z).item(), 4)  # log(e + 2) - 1
        0.5514
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = positive_temperature(temperature)

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the loss, a scalar in nats, mean over the 2B views.

        Args:
            z1: (B, d) unit rows, first views; B >= 2.
            z2: (B, d) unit rows, second views of the same inputs in the same order.

        Raises:
            ValueError: shapes differ, are not 2-D, or B < 2.
        """
        return info_nce(z1, z2, self.temperature)


def info_nce(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """Return what :class:`InfoNCE` returns."""
    (logits,) = _logits(z1, z2, temperature, groups=1)
    partner = torch.arange(len(logits), device=logits.device).roll(len(logits) // 2)
    return functional.cross_entropy(logits, partner)


def info_nce_terms(z1: Tensor, z2: Tensor, temperature: float, groups: int = 1) -> tuple[Tensor, Tensor]:
    """Return InfoNCE's two halves, invariance and uniformity; their sum is the loss.

    Wang and Isola (arXiv 2005.10242) call the first alignment. The second is the exact other half of InfoNCE because
    the positive stays in the logsumexp, as in the loss itself. The released code logs a second term without the
    positive (logsumexp over the 2B - 2 negatives only), so its two terms do not add up to its loss.

    Args:
        z1: (B, d) unit rows, first views; B >= 2.
        z2: (B, d) unit rows, second views.
        temperature: positive.
        groups: number of equal groups of consecutive inputs, at least two each; the views of one group are each other's
            negatives, as where every device has its own. The result is the mean over the groups.

    Returns:
        invariance: minus the mean similarity of the positives over the temperature.
        uniformity: mean over the 2B views of the logsumexp over all other views of the group, the positive among them.

    Raises:
        ValueError: as :class:`InfoNCE`, or the groups do not divide B into at least two inputs each.
    """
    logits = _logits(z1, z2, temperature, groups)
    return -logits.diagonal(len(z1) // groups, dim1=1, dim2=2).mean(), logits.logsumexp(dim=2).mean()


def _logits(z1: Tensor, z2: Tensor, temperature: float, groups: int) -> Tensor:
    """Return the similarities of each group over the temperature, minus infinity where a view meets itself.

    Returns:
        (groups, 2R, 2R), R = B / groups inputs: their first views, then their second.
    """
    positive_temperature(temperature)
    z1, z2 = paired_rows(z1, z2, at_least=2)
    inputs = len(z1) // max(groups, 1)
    if inputs * groups != len(z1) or inputs < 2:
        raise ValueError(f"a batch of {len(z1)} rows in {groups} groups; expected a multiple with at least 2 rows each")
    with autocast_off(z1):
        views = torch.cat([z.reshape(groups, inputs, -1) for z in (z1, z2)], dim=1)
        logits = views @ views.mT / temperature
        itself = torch.eye(2 * inputs, dtype=torch.bool, device=views.device)
        return logits.masked_fill(itself, -torch.inf)
