"""EquiMod's equivariance loss: from an input's embedding and its augmentation, predict the augmented embedding.

Source: EquiMod (Devillers and Lefort, ICLR 2023, arXiv 2211.01244); negatives as in the authors' release for SimCLR.
"""

from __future__ import annotations

from torch import Tensor, nn

from care_bench.losses.checks import paired_rows, positive_temperature
from care_bench.losses.info_nce import info_nce


class EquiModLoss(nn.Module):
    """NT-Xent between the predicted and the actual embeddings of augmented inputs.

    Each of the 2n rows has its partner as positive and the other 2n - 2 as negatives, predicted and actual ones
    alike. The release passes both augmented views of a batch at once (n = 2B), so that an input's other view,
    and the prediction of it, are negatives too; two calls with one view each would leave them out. Gradients go
    through both arguments. Computed in float32 or better for any input dtype, also under autocast.

    Args:
        temperature: divides the inner products, cosine similarities on unit rows; positive. 0.2 is the release's on
            CIFAR10.

    Raises:
        ValueError: the temperature is not positive and finite.

    Example:
        >>> import torch
        >>> z = torch.eye(2)
        >>> round(EquiModLoss(temperature=1.0)(z, z).item(), 4)  # log(e + 2) - 1
        0.5514
    """

    def __init__(self, temperature: float = 0.2) -> None:
        super().__init__()
        self.temperature = positive_temperature(temperature)

    def forward(self, predicted: Tensor, actual: Tensor) -> Tensor:
        """Return the loss, a scalar in nats, mean over the 2n rows.

        Args:
            predicted: (n, d) unit rows, predicted from the plain inputs and the augmentations' parameters; n >= 2.
            actual: (n, d) unit rows, embeddings of the augmented inputs in the same order.

        Raises:
            ValueError: shapes differ, are not 2-D, or n < 2.
        """
        return info_nce(*paired_rows(predicted, actual, at_least=2, names=("predicted", "actual")), self.temperature)
