"""BYOL: an online network's prediction should point where the target network's projection points.

Source: Eq. 2 of BYOL (Grill et al. 2020, arXiv 2006.07733).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from care_bench.losses.checks import paired_rows


class ByolLoss(nn.Module):
    """Mean over the rows of 2 - 2 cos(predicted, target), the squared distance of the two directions.

    One direction of the objective: BYOL adds the loss with the two views exchanged. No gradient goes through the
    target. Computed in float32 or better for any input dtype, also under autocast.

    Example:
        >>> import torch
        >>> ByolLoss()(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 3.0]])).item()
        2.0
    """

    def forward(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a scalar in [0, 4].

        Args:
            predicted: (B, d) outputs of the online predictor, of any norm but zero.
            target: (B, d) outputs of the target projector, likewise, other views of the same inputs in the same order.

        Raises:
            ValueError: shapes differ, are not 2-D, or are empty.
        """
        predicted, target = paired_rows(predicted, target, names=("predicted", "target"))
        # Not 2 - 2 cos, whose terms cancel where the prediction is nearly right.
        difference = functional.normalize(predicted) - functional.normalize(target.detach())
        return difference.square().sum(dim=1).mean()
