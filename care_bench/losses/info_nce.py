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
        temperature: divides the cosine similarities; positive.

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
    logits = _logits(z1, z2, temperature)
    partner = torch.arange(len(logits), device=logits.device).roll(len(logits) // 2)
    return functional.cross_entropy(logits, partner)


def info_nce_terms(z1: Tensor, z2: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return InfoNCE's two halves, invariance and uniformity; their sum is the loss.

    Wang and Isola (arXiv 2005.10242) call the first alignment. The second is the exact other half of InfoNCE because
    the positive stays in the logsumexp, as in the loss itself. The released code logs a second term without the
    positive (logsumexp over the 2B - 2 negatives only), so its two terms do not add up to its loss.

    Args:
        z1: (B, d) unit rows, first views; B >= 2.
        z2: (B, d) unit rows, second views.
        temperature: positive.

    Returns:
        invariance: minus the mean similarity of the positives over the temperature.
        uniformity: mean over the 2B views of the logsumexp over all other views, the positive among them.

    Raises:
        ValueError: as :class:`InfoNCE`.
    """
    logits = _logits(z1, z2, temperature)
    return -logits.diagonal(len(z1)).mean(), logits.logsumexp(dim=1).mean()


def _logits(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """Return the (2B, 2B) similarities over the temperature, minus infinity where a view meets itself."""
    positive_temperature(temperature)
    z1, z2 = paired_rows(z1, z2, at_least=2)
    with autocast_off(z1):
        views = torch.cat([z1, z2])
        logits = views @ views.mT / temperature
        itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
        return logits.masked_fill(itself, -torch.inf)
